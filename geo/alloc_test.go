//go:build !race

package geo

import (
	"net/netip"
	"testing"
)

func TestAllocs(t *testing.T) {
	p := proxies(t, anyHeader)
	peer, proxy := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("10.0.0.1")
	chain := Forwarding{XForwardedFor: lines("203.0.113.9, 2001:db8::7, 198.51.100.3:8080, 10.1.1.1")}
	standard := Forwarding{Forwarded: lines(`for="[2001:db8::7]:443";proto=https, for=198.51.100.3`)}
	single := Forwarding{CDN: lines("192.0.2.7")}
	j, err := Parse("US-CA")
	if err != nil {
		t.Fatal(err)
	}
	country, region := lines("us"), lines("US-CA")
	dst := make([]byte, 0, 16)
	for name, f := range map[string]func(){
		"direct peer":     func() { p.Client(peer, chain) },
		"X-Forwarded-For": func() { p.Client(proxy, chain) },
		"Forwarded":       func() { p.Client(proxy, standard) },
		"CDN":             func() { p.Client(proxy, single) },
		"claim":           func() { _, _ = ReadClaim(country, region) },
		"wrong claim":     func() { _, _ = ReadClaim(region, country) },
		"Public":          func() { Public(peer) },
		"Parse":           func() { _, _ = Parse("us-ca") },
		"AppendTo":        func() { dst = j.AppendTo(dst[:0]) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
