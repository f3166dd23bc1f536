package geo

import (
	"net/netip"
	"strings"
	"testing"
)

func BenchmarkClient(b *testing.B) {
	proxy := netip.MustParseAddr("10.0.0.1")
	for _, c := range []struct {
		name string
		h    Forwarding
	}{
		{"X-Forwarded-For", Forwarding{XForwardedFor: lines("203.0.113.9, 192.0.2.7, 10.1.1.1")}},
		{"Forwarded", Forwarding{Forwarded: lines(`for="[2001:db8::7]:443";proto=https, for=10.1.1.1`)}},
		{"CDN", Forwarding{CDN: lines("192.0.2.7")}},
		{"longest", Forwarding{Forwarded: lines(strings.Repeat("for=10.1.1.1,", maxForwarding/13-1) + "for=10.1.1.1")}},
		{"megabyte", Forwarding{Forwarded: lines(strings.Repeat("for=10.1.1.1,", 1<<20/13))}},
	} {
		b.Run(c.name, func(b *testing.B) {
			p := proxies(b, anyHeader)
			b.ReportAllocs()
			for b.Loop() {
				p.Client(proxy, c.h)
			}
		})
	}
}

func BenchmarkPublic(b *testing.B) {
	addr := netip.MustParseAddr("2a00:1450:4007:80e::200e")
	for b.Loop() {
		Public(addr)
	}
}
