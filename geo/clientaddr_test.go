package geo

import (
	"net/netip"
	"strings"
	"testing"
)

const anyHeader = Forwarded | XForwardedFor | CDN

// proxies trusts 10.0.0.0/8, the documentation network 198.51.100.0/24 and 2001:db8:1::/48.
func proxies(t testing.TB, believe Headers) *Proxies {
	t.Helper()
	p, err := NewProxies([]netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"),
		netip.MustParsePrefix("198.51.100.0/24"),
		netip.MustParsePrefix("2001:db8:1::/48"),
	}, believe)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// lines splits a header's field lines, which the cases part by a newline; "" is no header.
func lines(s string) (out [][]byte) {
	if s == "" {
		return nil
	}
	for line := range strings.SplitSeq(s, "\n") {
		out = append(out, []byte(line))
	}
	return out
}

func TestClient(t *testing.T) {
	const none, proxy = "invalid IP", "10.0.0.1"
	for _, c := range []struct {
		name                          string
		peer                          string
		forwarded, forwardedFor, only string
		want                          string
		direct                        bool // not asserted by a header
	}{
		{name: "no proxy", peer: "192.0.2.7", want: "192.0.2.7", direct: true},
		{name: "forged by the client", peer: "192.0.2.7", forwardedFor: "203.0.113.9", forwarded: "for=203.0.113.9", only: "203.0.113.9", want: "192.0.2.7", direct: true},
		{name: "mapped peer", peer: "::ffff:192.0.2.7", want: "192.0.2.7", direct: true},
		{name: "peer with a zone", peer: "fe80::1%eth0", want: "fe80::1", direct: true},
		{name: "proxy for itself", peer: proxy, want: none, direct: true},

		{name: "one hop", peer: proxy, forwardedFor: "192.0.2.7", want: "192.0.2.7"},
		{name: "mapped proxy", peer: "::ffff:10.0.0.1", forwardedFor: "192.0.2.7", want: "192.0.2.7"},
		{name: "proxy over IPv6", peer: "2001:db8:1::5%eth0", forwardedFor: "192.0.2.7", want: "192.0.2.7"},
		{name: "forged left end", peer: proxy, forwardedFor: "203.0.113.9, 192.0.2.7", want: "192.0.2.7"},
		{name: "garbage left of the client", peer: proxy, forwardedFor: "<script>,,unknown, 192.0.2.7", want: "192.0.2.7"},
		{name: "trusted hops are passed over", peer: proxy, forwardedFor: "203.0.113.9, 192.0.2.7,10.1.1.1 ,\t198.51.100.3", want: "192.0.2.7"},
		{name: "lines join in order", peer: proxy, forwardedFor: "203.0.113.9\n192.0.2.7\n10.1.1.1", want: "192.0.2.7"},
		{name: "private client", peer: proxy, forwardedFor: "192.168.1.1", want: "192.168.1.1"},
		{name: "all trusted", peer: proxy, forwardedFor: "10.1.1.1, 198.51.100.3", want: none},
		{name: "garbage behind a trusted hop", peer: proxy, forwardedFor: "192.0.2.7, garbage, 10.1.1.1", want: none},
		{name: "unknown", peer: proxy, forwardedFor: "192.0.2.7, unknown", want: none},
		{name: "empty element", peer: proxy, forwardedFor: "192.0.2.7,", want: none},
		{name: "empty header", peer: proxy, forwardedFor: " ", want: none},
		{name: "port", peer: proxy, forwardedFor: "192.0.2.7:8080", want: "192.0.2.7"},
		{name: "port too large", peer: proxy, forwardedFor: "192.0.2.7:65536", want: none},
		{name: "port missing", peer: proxy, forwardedFor: "192.0.2.7:", want: none},
		{name: "IPv6", peer: proxy, forwardedFor: "2001:db8::7", want: "2001:db8::7"},
		{name: "IPv6 in brackets", peer: proxy, forwardedFor: "[2001:db8::7]", want: "2001:db8::7"},
		{name: "IPv6 and port", peer: proxy, forwardedFor: "[2001:db8::7]:443", want: "2001:db8::7"},
		{name: "IPv6 and zone", peer: proxy, forwardedFor: "[fe80::7%25eth0]:443", want: "fe80::7"},
		{name: "IPv4 and zone", peer: proxy, forwardedFor: "192.0.2.7%eth0", want: none},
		{name: "IPv4 in brackets", peer: proxy, forwardedFor: "[192.0.2.7]", want: none},
		{name: "open bracket", peer: proxy, forwardedFor: "[2001:db8::7", want: none},
		{name: "after the bracket", peer: proxy, forwardedFor: "[2001:db8::7]x", want: none},
		{name: "mapped client", peer: proxy, forwardedFor: "::ffff:192.0.2.7", want: "192.0.2.7"},
		{name: "mapped trusted hop", peer: proxy, forwardedFor: "192.0.2.7, ::ffff:10.1.1.1", want: "192.0.2.7"},
		{name: "leading zeros", peer: proxy, forwardedFor: "192.0.2.07", want: none},
		{name: "quotes", peer: proxy, forwardedFor: `"192.0.2.7"`, want: none},
		{name: "a megabyte", peer: proxy, forwardedFor: strings.Repeat("1.1.1.1,", 1<<17) + "192.0.2.7", want: none},
		{name: "a thousand lines", peer: proxy, forwardedFor: strings.Repeat("\n", 5000) + "192.0.2.7", want: none},

		{name: "RFC 7239", peer: proxy, forwarded: "for=192.0.2.60;proto=http;by=203.0.113.43", want: "192.0.2.60"},
		{name: "RFC 7239, case", peer: proxy, forwarded: "By=203.0.113.43; FOR=192.0.2.60", want: "192.0.2.60"},
		{name: "RFC 7239, IPv6 and port", peer: proxy, forwarded: `For="[2001:db8:cafe::17]:4711"`, want: "2001:db8:cafe::17"},
		{name: "RFC 7239, two hops", peer: proxy, forwarded: "for=192.0.2.43, for=198.51.100.17", want: "192.0.2.43"},
		{name: "RFC 7239, obfuscated port", peer: proxy, forwarded: `for="192.0.2.43:_gazonk"`, want: "192.0.2.43"},
		{name: "obfuscated", peer: proxy, forwarded: "for=192.0.2.43, for=_hidden, for=10.1.1.1", want: none},
		{name: "unknown node", peer: proxy, forwarded: "for=192.0.2.43, for=unknown", want: none},
		{name: "no for", peer: proxy, forwarded: "for=192.0.2.43, proto=https", want: none},
		{name: "two for", peer: proxy, forwarded: "for=192.0.2.43;for=192.0.2.44", want: none},
		{name: "empty pairs", peer: proxy, forwarded: ";for=192.0.2.43;;proto=http;", want: "192.0.2.43"},
		{name: "comma in quotes", peer: proxy, forwarded: `for=192.0.2.43;host="a,for=203.0.113.9"`, want: "192.0.2.43"},
		{name: "escape in quotes", peer: proxy, forwarded: `for=192.0.2.43;host="\",for=203.0.113.9"`, want: "192.0.2.43"},
		{name: "escape in an address", peer: proxy, forwarded: `for="192.0.2\.43"`, want: none},
		{name: "IPv6 without quotes", peer: proxy, forwarded: "for=[2001:db8::7]:443;proto=https", want: "2001:db8::7"},
		{name: "garbage right", peer: proxy, forwarded: "for=192.0.2.43, for=", want: none},
		{name: "garbage left", peer: proxy, forwarded: "for=, for=192.0.2.43", want: none},
		{name: "unreadable element left, on a line of its own", peer: proxy, forwarded: "for=\"\nfor=192.0.2.43", want: "192.0.2.43"},
		{name: "quote left open swallows nothing", peer: proxy, forwarded: `for=203.0.113.9;x=", for="[2001:db8::7]"`, want: none},
		{name: "quote left open to the end", peer: proxy, forwarded: `for=203.0.113.9;x=", for=192.0.2.43`, want: none},
		{name: "no value", peer: proxy, forwarded: "for", want: none},
		{name: "a megabyte of Forwarded", peer: proxy, forwarded: strings.Repeat("for=1.1.1.1,", 1<<17) + "for=192.0.2.43", want: none},

		{name: "one address", peer: proxy, only: "192.0.2.7", want: "192.0.2.7"},
		{name: "one IPv6 address", peer: proxy, only: " 2001:db8::7 ", want: "2001:db8::7"},
		{name: "a list where one belongs", peer: proxy, only: "192.0.2.7, 192.0.2.8", want: none},
		{name: "sent twice", peer: proxy, only: "192.0.2.7\n192.0.2.7", want: none},
		{name: "a trusted address", peer: proxy, only: "10.1.1.1", want: none},

		{name: "headers agree", peer: proxy, forwarded: "for=192.0.2.7", forwardedFor: "192.0.2.7, 10.1.1.1", only: "192.0.2.7", want: "192.0.2.7"},
		{name: "Forwarded is forged", peer: proxy, forwarded: "for=203.0.113.9", forwardedFor: "192.0.2.7", want: none},
		{name: "X-Forwarded-For is forged", peer: proxy, forwarded: "for=192.0.2.7", forwardedFor: "203.0.113.9", want: none},
		{name: "the CDN's header is forged", peer: proxy, forwardedFor: "192.0.2.7", only: "203.0.113.9", want: none},
		{name: "one unreadable, one not", peer: proxy, forwarded: "for=_hidden", forwardedFor: "192.0.2.7", want: none},
		{name: "two against one", peer: proxy, forwarded: "for=192.0.2.7", forwardedFor: "garbage", only: "192.0.2.7", want: none},
	} {
		p := proxies(t, anyHeader)
		h := Forwarding{Forwarded: lines(c.forwarded), XForwardedFor: lines(c.forwardedFor), CDN: lines(c.only)}
		addr, asserted := p.Client(netip.MustParseAddr(c.peer), h)
		if addr.String() != c.want || asserted == c.direct {
			t.Errorf("%s: %s, asserted %v", c.name, addr, asserted)
		}
	}
}

// A header nobody configured is as if it were not there.
func TestClientBelieves(t *testing.T) {
	h := Forwarding{
		Forwarded:     lines("for=192.0.2.1"),
		XForwardedFor: lines("192.0.2.2"),
		CDN:           lines("192.0.2.3"),
	}
	for believe, want := range map[Headers]string{
		0:             "invalid IP",
		Forwarded:     "192.0.2.1",
		XForwardedFor: "192.0.2.2",
		CDN:           "192.0.2.3",
	} {
		addr, asserted := proxies(t, believe).Client(netip.MustParseAddr("10.0.0.1"), h)
		if addr.String() != want || asserted != (believe != 0) {
			t.Errorf("believing %b: %s, asserted %v", believe, addr, asserted)
		}
	}
	var nobody Proxies
	if addr, asserted := nobody.Client(netip.MustParseAddr("127.0.0.1"), h); addr.String() != "127.0.0.1" || asserted {
		t.Errorf("trusting nobody: %s, asserted %v", addr, asserted)
	}
	if addr, asserted := proxies(t, anyHeader).Client(netip.Addr{}, h); addr.IsValid() || asserted {
		t.Errorf("without a peer: %s, asserted %v", addr, asserted)
	}
}

func TestTrusts(t *testing.T) {
	var networks []netip.Prefix
	for _, s := range []string{
		"10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32", "10.9.9.9/24", "9.9.9.9/32",
		"::ffff:172.16.0.0/108", "192.168.7.7/16", "2001:db8::/32", "2001:db8:5::/48", "fe80::/10",
	} {
		networks = append(networks, netip.MustParsePrefix(s))
	}
	p, err := NewProxies(networks, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range networks {
		plainNetwork := n.Masked()
		for _, addr := range []netip.Addr{n.Addr(), plainNetwork.Addr(), lastOf(plainNetwork), lastOf(plainNetwork).WithZone("x")} {
			if !p.Trusts(addr) {
				t.Errorf("%s of %s is not trusted", addr, n)
			}
		}
	}
	for _, s := range []string{"9.9.9.8", "9.9.9.10", "11.0.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0", "2001:db7::", "2001:db9::", "fec0::", "::"} {
		if p.Trusts(netip.MustParseAddr(s)) {
			t.Errorf("%s is trusted", s)
		}
	}
}

func TestNewProxiesRefuses(t *testing.T) {
	for name, networks := range map[string][]netip.Prefix{
		"the zero network":                {{}},
		"a mapped network wider than all": {netip.MustParsePrefix("::ffff:0:0/64")},
	} {
		if _, err := NewProxies(networks, Forwarded); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	if _, err := NewProxies(nil, 1<<7); err == nil {
		t.Error("an unknown header is accepted")
	}
}
