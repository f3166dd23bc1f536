//go:build !race

package collector_test

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"assent/collector"
	"assent/sinks"
)

// TestAllocs pins the road of an event, from a parsed HTTP request to the answer,
// at no allocation once its memory is warm: identity body, subject cached.
func TestAllocs(t *testing.T) {
	event, err := os.ReadFile("../redact/testdata/event.json")
	if err != nil {
		t.Fatal(err)
	}
	event = bytes.TrimSpace(event)
	order := []byte(`{"type":"track","event":"Order Completed","messageId":"m","anonymousId":"tracker-9","properties":{"order_id":"o","email":"ann@example.com"}}`)
	page := []byte(`{"type":"page","name":"Home"}`)
	c, _ := newCollector(t, sinks.Discard{}, func(o *collector.Options) { o.CountryHeader, o.RegionHeader = "X-Country", "X-Region" })
	for _, k := range []struct {
		name   string
		body   []byte
		answer string
		change func(*fasthttp.Request)
	}{
		{"one event of 1 kB, granted", event, `{"accepted":1,"withheld":0`, nil},
		{"with a keyed hash", order, `{"accepted":1,"withheld":0`, nil},
		{"a batch of 20", batchOf(event, 20), `{"accepted":20,"withheld":0`, nil},
		{"an array of 20", arrayOf(order, 20), `{"accepted":20,"withheld":0`, nil},
		{"lines", bytes.Repeat(append(bytes.Clone(order), '\n'), 20), `{"accepted":20,"withheld":0`, func(r *fasthttp.Request) {
			r.Header.SetContentType("application/x-ndjson")
		}},
		{"nothing chosen, withheld", page, `{"accepted":1,"withheld":1`, func(r *fasthttp.Request) { r.Header.DelAllCookies() }},
		{"nothing chosen, an order of a tracker nobody linked", order, `{"accepted":1,"withheld":0`, func(r *fasthttp.Request) { r.Header.DelAllCookies() }},
		{"United States, two recipients, Sec-GPC", event, `{"accepted":1,"withheld":0`, func(r *fasthttp.Request) {
			r.Header.Set("X-Forwarded-For", "12.0.0.1")
			r.Header.Set("Sec-GPC", "1")
		}},
		{"a place named by a network, which is another", event, `{"accepted":1,"withheld":0`, func(r *fasthttp.Request) {
			r.Header.Set("X-Country", "us")
			r.Header.Set("X-Region", "US-CA")
		}},
		{
			"category preferences", []byte(`{"type":"page","name":"Home","context":{"consent":{"categoryPreferences":{"Analytics":true,"Advertising":false}}}}`),
			`{"accepted":1,"withheld":0`, nil,
		},
	} {
		ctx := consented(t, c, k.body)
		if k.change != nil {
			k.change(&ctx.Request)
		}
		run := func() {
			ctx.Response.Reset()
			c.Handle(ctx)
		}
		run()
		if got := ctx.Response.Body(); ctx.Response.StatusCode() != 200 || !bytes.HasPrefix(got, []byte(k.answer)) {
			t.Errorf("%s: got %d %s", k.name, ctx.Response.StatusCode(), got)
		}
		if n := testing.AllocsPerRun(200, run); n != 0 {
			t.Errorf("%s: %v allocations a request", k.name, n)
		}
	}
}

// TestAllocsOfSignals: nor do signals cost one, wherever a request carries them.
func TestAllocsOfSignals(t *testing.T) {
	c, _ := newCollector(t, sinks.Discard{})
	ctx := consented(t, c, []byte(`{"type":"page","name":"Home"}`))
	h := &ctx.Request.Header
	h.SetRequestURI("/v1/events?gcs=G111&a=b&gcd=13r3n3v3r5&gpp=DBABLA~BVQqAAAAAgA.QA")
	h.Set("Sec-GPC", "1")
	wire := strings.Replace(h.String(), "Cookie: ", `Cookie: OptanonConsent=groups=C0001%3A1%2CC0002%3A1%2CC0003%3A1%2CC0004%3A1&version=202409; OptanonAlertBoxClosed=2026-11-01T10:00:00.000Z; `, 1)
	if err := h.Read(bufio.NewReader(strings.NewReader(wire))); err != nil {
		t.Fatal(err)
	}
	run := func() {
		ctx.Response.Reset()
		c.Handle(ctx)
	}
	run()
	if got := ctx.Response.Body(); ctx.Response.StatusCode() != 200 {
		t.Fatalf("got %d %s", ctx.Response.StatusCode(), got)
	}
	if n := testing.AllocsPerRun(200, run); n != 0 {
		t.Errorf("%v allocations a request", n)
	}
}

// TestAllocsOfRepeats: nor does it cost one to tell an event from those before it,
// be it new or a repeat, nor to hold its sender to a rate.
func TestAllocsOfRepeats(t *testing.T) {
	sink := &counter{}
	c, _ := newCollector(t, sink, withWindow(t, 64), func(o *collector.Options) {
		o.Limits.SourceRate, o.Limits.AddressRate = 1e6, 1e6
	})
	ctx := consented(t, c, batchOf([]byte(`{"type":"track","event":"Order Completed","messageId":"m-00000000","properties":{"order_id":"o"}}`), 20))
	body, n := ctx.Request.Body(), 0
	run := func() {
		for at := 0; ; n++ {
			i := bytes.Index(body[at:], []byte(`m-`))
			if i < 0 {
				break
			}
			at += i + 2
			for k, v := at+7, n; k >= at; k, v = k-1, v/10 {
				body[k] = byte('0' + v%10)
			}
		}
		ctx.Response.Reset()
		c.Handle(ctx)
	}
	again := func() {
		ctx.Response.Reset()
		c.Handle(ctx)
	}
	run()
	sink.records = 0
	for _, k := range []struct {
		name string
		f    func()
		want int
	}{{"new ones", run, 20 * 201}, {"repeats", again, 0}} {
		sink.records = 0
		if n := testing.AllocsPerRun(200, k.f); n != 0 {
			t.Errorf("%s: %v allocations a request", k.name, n)
		}
		if got := ctx.Response.Body(); sink.records != k.want || !bytes.HasPrefix(got, []byte(`{"accepted":20,`)) {
			t.Errorf("%s: %d records, want %d; %s", k.name, sink.records, k.want, got)
		}
	}
}

// counter counts records and keeps none.
type counter struct {
	sinks.Discard
	records int
}

func (c *counter) Commit(_ context.Context, b *sinks.Batch) error {
	c.records += len(b.Records)
	return nil
}
