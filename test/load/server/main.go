// Command server is what the benchmark holds Assent against: `bare` reads the
// body and answers 204 on the same fasthttp; `null` is the whole of Assent with
// records thrown away where the sink would commit them.
package main

import (
	"crypto/rand"
	"fmt"
	"net"
	"net/netip"
	"os"
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

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: server bare|null ADDRESS DATA")
		os.Exit(2)
	}
	ln, err := net.Listen("tcp", os.Args[2])
	if err != nil {
		panic(err)
	}
	fmt.Printf("http://%s\n", ln.Addr())
	if os.Args[1] == "bare" {
		var size int
		err = fasthttp.Serve(ln, func(ctx *fasthttp.RequestCtx) {
			size += len(ctx.PostBody())
			ctx.SetStatusCode(204)
		})
	} else {
		err = null(os.Args[3]).Serve(ln)
	}
	panic(err)
}

func null(data string) *collector.Collector {
	ring, err := keys.Generate(rand.Reader)
	must(err)
	doc, wrong := policy.Parse("default.yaml", policy.Default())
	if len(wrong) > 0 {
		panic(wrong)
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
		panic(wrong)
	}
	places, err := mmdb.Embedded()
	must(err)
	choices, err := store.Open(store.Options{Dir: data})
	must(err)
	registry, err := consent.NewRegistry(consent.Options{
		Store: choices, Now: time.Now, Rand: rand.Reader,
		CookieKeys: ring.Derive("cookie"), ReceiptKeys: ring.Derive("receipt"), Controller: "bench",
	})
	must(err)
	registry.Use(pol.Purposes())
	proxies, err := geo.NewProxies([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, geo.Forwarded|geo.XForwardedFor)
	must(err)
	c, err := collector.New(collector.Options{
		Policy: pol, Locator: places, Proxies: proxies, Registry: registry, Sink: sinks.Discard{}, Now: time.Now,
		Dialects: []collector.Route{{Method: "POST", Path: "/v1/events", Dialect: dialect.Native{}}},
		BadKeys:  ring.Derive("bad-row"),
	})
	must(err)
	return c
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
