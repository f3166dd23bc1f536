package collector_test

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"assent/collector"
	"assent/collector/dialect"
	"assent/consent"
	"assent/consent/store"
	"assent/geo"
	"assent/geo/mmdb"
	"assent/keys"
	"assent/policy"
	"assent/redact"
	"assent/sinks"
)

// newCollector is the whole edge with the embedded policy and country data, a
// real consent store and a sink that forgets.
func newCollector(tb testing.TB, sink sinks.Committer, change ...func(*collector.Options)) (*collector.Collector, *consent.Registry) {
	tb.Helper()
	must := func(err error) {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
	}
	ring, err := keys.Generate(rand.Reader)
	must(err)
	doc, wrong := policy.Parse("default.yaml", policy.Default())
	if len(wrong) > 0 {
		tb.Fatal(wrong)
	}
	pol, wrong := policy.Compile(doc, policy.Options{
		Keys: func(name string) []redact.Key {
			secret := ring.Derive("hmac/" + name)[0].Secret
			key, err := redact.NewKey(name+".1", secret[:])
			must(err)
			return []redact.Key{key}
		},
		Offers: collector.Offers,
	})
	if len(wrong) > 0 {
		tb.Fatal(wrong)
	}
	places, err := mmdb.Embedded()
	must(err)
	choices, err := store.Open(store.Options{Dir: tb.TempDir()})
	must(err)
	tb.Cleanup(func() { _ = choices.Close() })
	registry, err := consent.NewRegistry(consent.Options{
		Store: choices, Now: time.Now, Rand: rand.Reader,
		CookieKeys: ring.Derive("cookie"), JournalKeys: ring.Derive("journal"), ReceiptKeys: ring.Derive("receipt"), Controller: "test",
	})
	must(err)
	registry.Use(pol.Purposes())
	proxies, err := geo.NewProxies([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, geo.Forwarded|geo.XForwardedFor)
	must(err)
	o := collector.Options{
		Policy: pol, Locator: places, Proxies: proxies, Registry: registry, Sink: sink, Now: time.Now,
		Dialects: dialect.Routes(),
		BadKeys:  ring.Derive("bad-row"), DedupKey: ring.Derive("dedup")[0],
	}
	for _, f := range change {
		f(&o)
	}
	c, err := collector.New(o)
	must(err)
	return c, registry
}

// consented is a request of a French visitor who granted everything.
func consented(tb testing.TB, c *collector.Collector, event []byte) *fasthttp.RequestCtx {
	tb.Helper()
	from := netip.MustParseAddrPort("127.0.0.1:4000")
	ask := func(path string, body []byte) *fasthttp.RequestCtx {
		var req fasthttp.Request
		req.Header.SetMethod("POST")
		req.SetRequestURI(path)
		req.Header.SetHost("events.shop.example")
		req.Header.SetContentType("application/json")
		req.Header.SetUserAgent("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36")
		req.Header.Set("X-Forwarded-For", "80.10.0.1")
		req.SetBody(body)
		ctx := &fasthttp.RequestCtx{}
		ctx.Init(&req, collector.Addr(from), nil)
		return ctx
	}
	choice := ask("/v1/consent", []byte(`{"purposes":{"analytics":"granted","preferences":"granted"},"method":"banner"}`))
	c.Handle(choice)
	if code := choice.Response.StatusCode(); code != 201 {
		tb.Fatalf("recording the choice: %d %s", code, choice.Response.Body())
	}
	ctx := ask("/v1/events", event)
	for _, name := range []string{"__Host-assent_choice", "__Host-assent_id"} {
		var k fasthttp.Cookie
		k.SetKey(name)
		if !choice.Response.Header.Cookie(&k) {
			tb.Fatalf("the answer sets no %s", name)
		}
		ctx.Request.Header.SetCookie(name, string(k.Value()))
	}
	// As it comes from the wire: with its cookies unread.
	if err := ctx.Request.Header.Read(bufio.NewReader(strings.NewReader(ctx.Request.Header.String()))); err != nil {
		tb.Fatal(err)
	}
	return ctx
}

// BenchmarkHandle is one event of 1 kB from a parsed HTTP request to the answer,
// its subject cached, without network and without a disk.
func BenchmarkHandle(b *testing.B) {
	event, err := os.ReadFile("../redact/testdata/event.json")
	if err != nil {
		b.Fatal(err)
	}
	c, _ := newCollector(b, sinks.Discard{})
	ctx := consented(b, c, bytes.TrimSpace(event))
	b.ReportAllocs()
	b.SetBytes(int64(len(event)))
	for b.Loop() {
		ctx.Response.Reset()
		c.Handle(ctx)
	}
	if ctx.Response.StatusCode() != 200 || !bytes.HasPrefix(ctx.Response.Body(), []byte(`{"accepted":1,"withheld":0`)) {
		b.Fatalf("got %d %s", ctx.Response.StatusCode(), ctx.Response.Body())
	}
}

// BenchmarkHandleNew is the same with deduplication: each event has a messageId of
// its own.
func BenchmarkHandleNew(b *testing.B) {
	event, err := os.ReadFile("../redact/testdata/event.json")
	if err != nil {
		b.Fatal(err)
	}
	c, _ := newCollector(b, sinks.Discard{}, withWindow(b, 1<<16))
	ctx := consented(b, c, bytes.TrimSpace(event))
	body := ctx.Request.Body()
	id := body[bytes.Index(body, []byte("ajs-next-"))+len("ajs-next-"):][:13]
	b.ReportAllocs()
	b.SetBytes(int64(len(event)))
	for b.Loop() {
		for i := len(id) - 1; ; i-- {
			if id[i]++; id[i] <= '9' {
				break
			}
			id[i] = '0'
		}
		ctx.Response.Reset()
		c.Handle(ctx)
	}
	if ctx.Response.StatusCode() != 200 || !bytes.HasPrefix(ctx.Response.Body(), []byte(`{"accepted":1,"withheld":0`)) {
		b.Fatalf("got %d %s", ctx.Response.StatusCode(), ctx.Response.Body())
	}
}

// BenchmarkServe is the same from socket to socket, for one event and for a hundred.
func BenchmarkServe(b *testing.B) {
	event, err := os.ReadFile("../redact/testdata/event.json")
	if err != nil {
		b.Fatal(err)
	}
	event = bytes.TrimSpace(event)
	for _, k := range []struct {
		name string
		body []byte
	}{{"1", event}, {"100", batchOf(event, 100)}} {
		b.Run(k.name, func(b *testing.B) {
			c, _ := newCollector(b, sinks.Discard{})
			ctx := consented(b, c, k.body)
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			go func() { _ = c.Serve(ln) }()
			defer ln.Close()
			conn, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close()
			ctx.Request.Header.SetContentLength(len(k.body))
			raw := append([]byte(ctx.Request.Header.String()), k.body...)
			var res fasthttp.Response
			br := bufio.NewReader(conn)
			b.ReportAllocs()
			for b.Loop() {
				_, _ = conn.Write(raw)
				if err := res.Read(br); err != nil {
					b.Fatal(err)
				}
			}
			if res.StatusCode() != 200 {
				b.Fatalf("got %d %s", res.StatusCode(), res.Body())
			}
		})
	}
}

func arrayOf(event []byte, n int) []byte {
	return append(append([]byte{'['}, bytes.Join(repeat(event, n), []byte{','})...), ']')
}

func batchOf(event []byte, n int) []byte {
	return append(append([]byte(`{"batch":`), arrayOf(event, n)...), '}')
}

func repeat(event []byte, n int) [][]byte {
	out := make([][]byte, n)
	for i := range out {
		out[i] = event
	}
	return out
}

// BenchmarkSignals is the same request with and without a TC cookie, OneTrust's cookies and
// a GPP string in the query.
func BenchmarkSignals(b *testing.B) {
	event, err := os.ReadFile("../redact/testdata/event.json")
	if err != nil {
		b.Fatal(err)
	}
	c, _ := newCollector(b, sinks.Discard{})
	plain, with := consented(b, c, bytes.TrimSpace(event)), consented(b, c, bytes.TrimSpace(event))
	h := &with.Request.Header
	h.SetRequestURI("/v1/events?gpp=DBABLA~BVQqAAAAAgA.QA")
	cookies := "Cookie: euconsent-v2=" + tcYes() + "; OptanonConsent=isGpcEnabled=0&datestamp=Sun+Nov+22+2026+10%3A00%3A00+GMT%2B0100&version=202409.1.0&groups=C0001%3A1%2CC0002%3A1%2CC0003%3A1%2CC0004%3A1; OptanonAlertBoxClosed=2026-11-22T09:00:00.000Z; "
	if err := h.Read(bufio.NewReader(strings.NewReader(strings.Replace(h.String(), "Cookie: ", cookies, 1)))); err != nil {
		b.Fatal(err)
	}
	for _, k := range []struct {
		name string
		ctx  *fasthttp.RequestCtx
	}{{"without", plain}, {"with", with}} {
		b.Run(k.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				k.ctx.Response.Reset()
				c.Handle(k.ctx)
			}
			if k.ctx.Response.StatusCode() != 200 {
				b.Fatalf("%s", k.ctx.Response.Body())
			}
		})
	}
}
