package collector

import (
	"strings"
	"testing"
)

// TestOrigins: what people write is held against what browsers send for it.
func TestOrigins(t *testing.T) {
	for _, c := range []struct{ written, sent, not string }{
		{"https://shop.example", "https://shop.example", "http://shop.example https://shop.example:8443 https://www.shop.example https://shop.example/ https://shop.example.evil.example null"},
		{"https://shop.example:443", "https://shop.example", "https://shop.example:443"},
		{"http://shop.example:80", "http://shop.example", "https://shop.example"},
		{"https://shop.example:", "https://shop.example", ""},
		{"HTTPS://Shop.Example:8443", "https://shop.example:8443", "https://shop.example"},
		{"https://müller.example", "https://xn--mller-kva.example", "https://müller.example"},
		{"https://MÜLLER.example", "https://xn--mller-kva.example", ""},
		{"http://[::1]:8080", "http://[::1]:8080", "http://[::1]"},
		{"http://[0:0::1]", "http://[::1]", ""},
		{"http://127.0.0.1:3000", "http://127.0.0.1:3000", "http://127.0.0.1"},
		{"capacitor://localhost", "capacitor://localhost", "https://localhost"},
		{
			"https://*.shop.example", "https://www.shop.example https://a.b.shop.example https://x_1.shop.example",
			"https://shop.example https://evilshop.example https://.shop.example http://www.shop.example https://www.shop.example:8443 https://evil.example/.shop.example https://evil.example@www.shop.example https://evil.example#.shop.example",
		},
		{"https://*.Shop.Example:443", "https://www.shop.example", ""},
		{"https://*.shop.example:8443", "https://www.shop.example:8443", "https://www.shop.example"},
		{"https://*.müller.example", "https://www.xn--mller-kva.example", ""},
	} {
		o, err := parseOrigin(c.written)
		if err != nil {
			t.Errorf("%s: %v", c.written, err)
			continue
		}
		for _, sent := range strings.Fields(c.sent) {
			if !o.allows([]byte(sent)) {
				t.Errorf("%s does not allow %s", c.written, sent)
			}
		}
		for _, sent := range strings.Fields(c.not) {
			if o.allows([]byte(sent)) {
				t.Errorf("%s allows %s", c.written, sent)
			}
		}
	}
	for _, written := range []string{
		"", "*", "null", "shop.example", "//shop.example", "https://", "https://*", "https://*.", "https://shop.example/", "https://shop.example/a",
		"https://shop.example?x", "https://shop.example#x", "https://user@shop.example", "https://shop.example:0", "https://shop.example:99999", "https://shop.example:x",
		"https://sh*p.example", "https://*.*.shop.example", "https://a.*.shop.example", "https://shop example", "https://*.com", "https://*.co.uk", "https://*.github.io",
		"https://*.127.0.0.1", "://shop.example", "https:/shop.example", "https://xn--\u0000.example",
	} {
		if o, err := parseOrigin(written); err == nil {
			t.Errorf("%q is taken for %+v", written, o)
		}
	}
}
