package collector

import (
	"strings"
	"testing"
)

// TestHosts: what a source's host means, by the Host headers that find it.
func TestHosts(t *testing.T) {
	f := func(written, found, others string) {
		t.Helper()
		s, wrong := newSources([]*Source{{ID: "a", Hosts: []string{written}}}, nil)
		if len(wrong) > 0 {
			t.Errorf("%q: %v", written, wrong[0])
			return
		}
		for want, hosts := range map[bool]string{true: found, false: others} {
			for sent := range strings.FieldsSeq(hosts) {
				if src, _ := s.find(&Request{Host: []byte(sent)}); (src != nil) != want {
					t.Errorf("%q: found by %q: %v", written, sent, !want)
				}
			}
		}
	}
	const shop = "shop.example SHOP.example shop.example. shop.example:80 shop.example:443 Shop.Example.:443 shop.example:"
	for _, written := range strings.Fields(shop) {
		f(written, shop, "shop.example:8443 a.shop.example shop.example.. hop.example shop.example:4430 xshop.example example")
	}
	f("Shop.example:8443", "shop.example:8443 SHOP.example.:8443", "shop.example shop.example:443 shop.example:84430")
	f("b\u00fccher.example", "xn--bcher-kva.example XN--BCHER-KVA.example:443", "b\u00fccher.example")
	f("B\u00dcCHER.example.:8443", "xn--bcher-kva.example:8443", "xn--bcher-kva.example")
	f("xn--bcher-kva.example", "xn--bcher-kva.example", "")
	f("shop_1", "shop_1 SHOP_1:80", "shop")
	f("192.0.2.1", "192.0.2.1 192.0.2.1:443", "192.0.2.1:8443")
	f("[2001:DB8:0::1]", "[2001:db8::1] [2001:DB8::1]:443", "[2001:db8::1]:8443 2001:db8::1")
	f("[2001:db8::1]:8443", "[2001:db8::1]:8443", "[2001:db8::1]")
}

// TestHostsThatNobodySends: what no Host header can be is refused, with what to write.
func TestHostsThatNobodySends(t *testing.T) {
	f := func(written, want string) {
		t.Helper()
		wrong := (&Options{Sources: []*Source{{ID: "a", Key: "k", Hosts: []string{written}}}}).CheckSources()
		if len(wrong) != 1 || !strings.Contains(wrong[0].Error(), want) {
			t.Errorf("%q: %v, want %s", written, wrong, want)
		}
	}
	f("https://shop.example", "write shop.example")
	f("http://shop.example:8443/", "write shop.example:8443")
	f("shop.example/", "write shop.example, and the path under paths")
	f("shop.example/collect", "write shop.example, and the path under paths")
	f("*.shop.example", "write each of them")
	f("https://*.shop.example", "write each of them")
	f("2001:db8::1", "[2001:db8::1]")
	f("[2001:db8::1", "[2001:db8::1]")
	f("[fe80::1%eth0]", "without a zone")
	f("[192.0.2.1]", "[2001:db8::1]")
	for _, none := range []string{
		"", ".", " ", "a b", "user@shop.example", "shop.example?x", "shop..example", "shop.example:0", "shop.example:65536",
		"shop.example:https", ":8443", "shop.example,b.example", "\u00fc\u0000.example", "https://", "shop.example\n", "a\tb",
	} {
		f(none, "want data.shop.example")
	}
	wrong := (&Options{Sources: []*Source{{ID: "a", Hosts: []string{"Shop.example"}}, {ID: "b", Hosts: []string{"shop.example.:443"}}}}).CheckSources()
	if len(wrong) != 1 || wrong[0].Index != 1 || !strings.Contains(wrong[0].Error(), `also a host of source "a"`) {
		t.Errorf("one host of two sources: %v", wrong)
	}
}
