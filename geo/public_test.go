package geo

import (
	"net/netip"
	"testing"
)

// Each range of the IANA special-purpose registries that is not a place: neither its
// first nor its last address is public, but their neighbours are, unless they
// belong to another such range.
func TestPublicRanges(t *testing.T) {
	for _, c := range []struct {
		network       string
		before, after bool // whether the neighbours are public
	}{
		{"0.0.0.0/8", false, true},
		{"10.0.0.0/8", true, true},
		{"100.64.0.0/10", true, true},
		{"127.0.0.0/8", true, true},
		{"169.254.0.0/16", true, true},
		{"172.16.0.0/12", true, true},
		{"192.0.0.0/24", true, true},
		{"192.0.2.0/24", true, true},
		{"192.88.99.0/24", true, true},
		{"192.168.0.0/16", true, true},
		{"198.18.0.0/15", true, true},
		{"198.51.100.0/24", true, true},
		{"203.0.113.0/24", true, true},
		{"224.0.0.0/4", true, false},
		{"240.0.0.0/4", false, false},

		{"::/128", false, false},
		{"::1/128", false, false},
		{"64:ff9b::/96", false, false},
		{"64:ff9b:1::/48", false, false},
		{"100::/64", false, false},
		{"::/3", false, true},
		{"2001::/23", true, true},
		{"2001:db8::/32", true, true},
		{"2002::/16", true, true},
		{"3fff::/20", true, true},
		{"4000::/2", true, false},
		{"5f00::/16", false, false},
		{"8000::/1", false, false},
		{"fc00::/7", false, false},
		{"fe80::/10", false, false},
		{"ff00::/8", false, false},
	} {
		p := netip.MustParsePrefix(c.network)
		first, last := p.Addr(), lastOf(p)
		if Public(first) || Public(last) {
			t.Errorf("%s is public", c.network)
		}
		if got := Public(first.Prev()); got != c.before {
			t.Errorf("before %s: public is %v", c.network, got)
		}
		if got := Public(last.Next()); got != c.after {
			t.Errorf("after %s: public is %v", c.network, got)
		}
	}
}

func TestPublicForms(t *testing.T) {
	for s, want := range map[string]bool{
		"8.8.8.8":              true,
		"::ffff:8.8.8.8":       true,
		"::ffff:10.0.0.1":      false,
		"2001:4860:4860::8888": true,
		"2a00:1450::1%eth0":    true,
		"fe80::1%eth0":         false,
	} {
		if got := Public(netip.MustParseAddr(s)); got != want {
			t.Errorf("Public(%s) = %v", s, got)
		}
	}
	if Public(netip.Addr{}) {
		t.Error("the zero address is public")
	}
}

// What net/netip knows of these ranges is the oracle.
func FuzzPublic(f *testing.F) {
	for _, s := range []string{"8.8.8.8", "10.1.2.3", "255.255.255.255", "2a00::1", "fe80::1", "::ffff:127.0.0.1"} {
		f.Add(netip.MustParseAddr(s).AsSlice())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		addr, ok := netip.AddrFromSlice(b)
		if !ok {
			return
		}
		plain := addr.Unmap()
		if Public(addr) && (!plain.IsGlobalUnicast() || plain.IsPrivate()) {
			t.Fatalf("%s is public", addr)
		}
	})
}

func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for bit := p.Bits(); bit < len(b)*8; bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	addr, _ := netip.AddrFromSlice(b)
	return addr
}
