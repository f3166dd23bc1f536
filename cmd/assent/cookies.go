package main

import (
	"cmp"
	"net/http"
	"strings"

	"assent/collector"
)

// checkCookies: what would break out of a Set-Cookie header (RFC 6265, 4.1.1), and what
// browsers drop, so that no choice would be kept.
func (c *config) checkCookies(p *problems) {
	k := &c.Cookies
	for _, part := range []struct {
		key, text, want string
		cookie          http.Cookie
	}{
		{"choice", k.Choice, "a name: letters, digits, - and _", http.Cookie{Name: cmp.Or(k.Choice, "a")}},
		{"id", k.ID, "a name: letters, digits, - and _", http.Cookie{Name: cmp.Or(k.ID, "a")}},
		{"domain", k.Domain, "a domain, such as shop.example", http.Cookie{Name: "a", Domain: k.Domain}},
		{"path", k.Path, "a path, such as /collect", http.Cookie{Name: "a", Path: k.Path}},
	} {
		if part.cookie.Valid() != nil || part.key == "path" && part.text != "" && part.text[0] != '/' {
			p.add("$.cookies."+part.key, "%q: write %s", part.text, part.want)
		}
	}
	domain := strings.ToLower(strings.TrimPrefix(k.Domain, "."))
	switch {
	case domain == "", (&http.Cookie{Name: "a", Domain: k.Domain}).Valid() != nil: // reported above
	case strings.HasSuffix(domain, "."):
		p.add("$.cookies.domain", "%q: browsers know no host by a name that ends in a dot: leave the dot out", k.Domain)
	case domain != "localhost" && collector.IsPublicSuffix(domain):
		p.add("$.cookies.domain", "%q: anybody can have a name under it, and browsers drop its cookies: name your own domain, such as shop.example", k.Domain)
	}
	c.checkCookiePrefix(p, "choice", k.Choice)
	c.checkCookiePrefix(p, "id", k.ID)
	// Each cookie is read under its name with and without the prefix.
	o := collector.Options{Cookies: collector.CookieOptions(*k)}
	o.EnsureDefaults()
	if strings.TrimPrefix(o.Cookies.Choice, collector.HostPrefix) == strings.TrimPrefix(o.Cookies.ID, collector.HostPrefix) {
		p.add("$.cookies", "choice and id must have different names, also without %s", collector.HostPrefix)
	}
}

func (c *config) checkCookiePrefix(p *problems, key, name string) {
	at, k := "$.cookies."+key, &c.Cookies
	for _, prefix := range []string{collector.HostPrefix, "__Secure-"} {
		n := len(prefix)
		if len(name) >= n && strings.EqualFold(name[:n], prefix) && (name[:n] != prefix || len(name) == n) {
			p.add(at, "%q: browsers know the prefix in any case, and this node as %s alone: write it so, with a name after it", name, prefix)
			return
		}
	}
	switch {
	case !strings.HasPrefix(name, collector.HostPrefix):
	case k.Domain != "":
		p.add(at, "%q: browsers drop a cookie of this prefix with a domain: leave out the prefix, or cookies.domain", name)
	case k.Path != "" && k.Path != "/":
		p.add(at, "%q: browsers drop a cookie of this prefix with another path than /: leave out the prefix, or cookies.path", name)
	}
}
