package collector

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"assent/consent"
	"assent/consent/signals"
)

// otherName is the name that the same cookie has where the domain is configured
// otherwise. Both are read: a refusal under the other name is a refusal. What comes
// under the plain name beside ours with the prefix may be another host's doing: it
// proves nobody and grants nothing.
func otherName(name string) string {
	if plain, ok := strings.CutPrefix(name, HostPrefix); ok {
		return plain
	}
	return HostPrefix + name
}

// readCookies finds the two cookies, several of one name among them: which of those a
// browser sends first tells nothing of who set them (RFC 6265, 4.2.2). The header is
// read here, because fasthttp leaves out what it takes for no value: a choice that came
// and cannot be read is not a choice that did not come.
func (c *Collector) readCookies(h *fasthttp.RequestHeader, x *exchange) {
	for _, line := range h.PeekAll("Cookie") {
		for len(line) > 0 {
			var pair []byte
			pair, line, _ = bytes.Cut(line, []byte{';'})
			name, value, _ := bytes.Cut(bytes.Trim(pair, " \t"), []byte{'='})
			switch string(name) {
			case c.o.Cookies.Choice:
				x.req.ChoiceCookie, x.choices = anotherCookie(x.req.ChoiceCookie, value), x.choices+1
			case c.o.Cookies.ID:
				x.req.IDCookie, x.idCookies = anotherCookie(x.req.IDCookie, value), x.idCookies+1
			case c.otherChoice:
				if !strings.HasPrefix(c.otherChoice, HostPrefix) {
					value = append([]byte{consent.NarrowOnly}, value...)
				}
				x.req.ChoiceCookie, x.namesake = anotherCookie(x.req.ChoiceCookie, value), true
			case c.otherID:
				if strings.HasPrefix(c.otherID, HostPrefix) {
					x.req.IDCookie = anotherCookie(x.req.IDCookie, value)
				}
				x.idCookies, x.namesake = x.idCookies+1, true
			default:
				x.carryNamed(c.places.cookies, name, value)
			}
		}
	}
	x.namesake = x.namesake || x.choices > 1 || x.idCookies > 1
}

// carry notes what headers and query carry of signals; readCookies does so for cookies.
// The query is of its own type, since a walk through Query would allocate.
func (c *Collector) carry(h *fasthttp.RequestHeader, query *fasthttp.Args, x *exchange) {
	for _, p := range c.places.headers {
		for _, line := range h.PeekAll(p.Name) {
			x.carried = append(x.carried, signals.Carried{Place: p, Value: line})
		}
	}
	if c.places.arguments.lengths != 0 {
		for name, value := range query.All() {
			x.carryNamed(c.places.arguments, name, value)
		}
	}
}

// carryNamed notes a value that came under a name, where the name is one of the places'.
func (x *exchange) carryNamed(places namedPlaces, name, value []byte) {
	if places.lengths>>len(name)&1 == 0 {
		return
	}
	for _, p := range places.list {
		if p.Name == string(name) {
			x.carried = append(x.carried, signals.Carried{Place: p, Value: value})
		}
	}
}

// anotherCookie joins the value of one more cookie of a name. An empty value, which
// deletes nothing, stays a cookie that came.
func anotherCookie(have, value []byte) []byte {
	if n := len(value); n >= 2 && value[0] == '"' && value[n-1] == '"' {
		value = value[1 : n-1]
	}
	if len(value) == 0 {
		value = emptyCookie
	}
	if have == nil {
		return value
	}
	return append(append(bytes.Clone(have), ';'), value...)
}

// emptyCookie stands for a cookie without a value; it verifies as nothing.
var emptyCookie = []byte{'-'}

// writeCookies sets the answer's cookies and expires their namesakes in the other
// scope, which would otherwise count as well (of several the strictest) until they are
// 400 days old. A cookie for a whole domain has one namesake that can be there unseen.
func (c *Collector) writeCookies(h *fasthttp.ResponseHeader, x *exchange) {
	set := func(line string) { h.Add("Set-Cookie", line) }
	for _, k := range x.ans.Cookies {
		set(c.setCookie(k, c.o.Cookies.Domain))
		end := Cookie{Name: k.Name}
		if c.o.Cookies.Domain != "" {
			set(c.setCookie(end, ""))
		}
		if !x.namesake {
			continue
		}
		other := Cookie{Name: otherName(k.Name)}
		set(c.setCookie(other, ""))
		if c.o.Cookies.Domain != "" {
			continue
		}
		for _, domain := range domainsOf(string(x.req.Host)) {
			for _, k := range []Cookie{end, other} {
				if !strings.HasPrefix(k.Name, HostPrefix) {
					set(c.setCookie(k, domain))
				}
			}
		}
	}
}

// domainsOf lists the domains whose cookies a host gets, itself first. A browser
// ignores those that nobody can own.
func domainsOf(host string) (out []string) {
	host, _, _ = strings.Cut(host, ":")
	if strings.Trim(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") != "" {
		return nil
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return nil
	}
	for strings.Contains(strings.Trim(host, "."), ".") && len(out) < 5 {
		out = append(out, host)
		_, host, _ = strings.Cut(host, ".")
	}
	return out
}

// setCookie writes a Set-Cookie value. Lax: sent with top-level navigation and
// with the brand's own pages, never with another site's POST.
func (c *Collector) setCookie(k Cookie, domain string) string {
	age := int64(k.MaxAge / time.Second)
	if k.Value == "" {
		age = 0
	}
	path := c.o.Cookies.Path
	if strings.HasPrefix(k.Name, HostPrefix) {
		path = "/"
	}
	s := fmt.Sprintf("%s=%s; Path=%s; Max-Age=%d; Secure; HttpOnly; SameSite=Lax", k.Name, k.Value, path, age)
	if domain != "" {
		s += "; Domain=" + domain
	}
	return s
}
