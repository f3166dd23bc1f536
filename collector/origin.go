package collector

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// origin is one allowed page origin in the form in which browsers send it: lower case,
// the host in ASCII, no port that is the scheme's own (HTML, 7.1.1; RFC 6454, 6.2).
type origin struct {
	exact  string // empty: the two below
	scheme string // with "://"
	under  string // "." and the domain, with its port, whose sub-domains are meant
}

var errOrigin = errors.New("is no origin: want https://shop.example, https://shop.example:8443 or, for its sub-domains, https://*.shop.example")

// parseOrigin reads an origin as people write it, `scheme://host[:port]`. A host may be
// international, `*.` before it stands for one label or more.
func parseOrigin(s string) (origin, error) {
	scheme, rest, ok := strings.Cut(s, "://")
	host, star := strings.CutPrefix(rest, "*.")
	u, err := url.Parse(scheme + "://" + host)
	if !ok || err != nil || u.Host == "" || u.Path != "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.ContainsAny(s, "#?") {
		return origin{}, errOrigin
	}
	name, port := u.Hostname(), u.Port()
	switch {
	case strings.HasSuffix(u.Host, ":"), u.Scheme == "http" && port == "80", u.Scheme == "https" && port == "443":
		port = ""
	}
	if n, err := strconv.ParseUint(port, 10, 16); port != "" && (err != nil || n == 0) {
		return origin{}, errOrigin
	}
	if addr, err := netip.ParseAddr(name); err == nil {
		if star {
			return origin{}, errors.New("an address has no sub-domains")
		}
		if name = addr.String(); addr.Is6() {
			name = "[" + name + "]"
		}
	} else if name, err = idna.Lookup.ToASCII(name); err != nil || strings.Contains(name, "*") {
		return origin{}, errOrigin
	}
	if port != "" {
		port = ":" + port
	}
	if !star {
		return origin{exact: u.Scheme + "://" + name + port}, nil
	}
	if IsPublicSuffix(name) {
		return origin{}, fmt.Errorf("anybody can have a name under %s: name your own domain, as https://*.shop.example", name)
	}
	return origin{scheme: u.Scheme + "://", under: "." + name + port}, nil
}

// allows reports whether a browser's Origin is meant.
func (o *origin) allows(sent []byte) bool {
	if o.exact != "" {
		return string(sent) == o.exact
	}
	label := len(sent) - len(o.under)
	if label <= len(o.scheme) || string(sent[:len(o.scheme)]) != o.scheme || string(sent[label:]) != o.under {
		return false
	}
	for _, b := range sent[len(o.scheme):label] {
		if (b < 'a' || b > 'z') && (b < '0' || b > '9') && b != '-' && b != '.' && b != '_' {
			return false
		}
	}
	return sent[len(o.scheme)] != '.'
}

// IsPublicSuffix reports whether anybody can have a name under a domain, given in lower
// case and ASCII. Browsers keep no cookie for it (RFC 6265, 5.3, step 5).
func IsPublicSuffix(domain string) bool {
	suffix, _ := publicsuffix.PublicSuffix(domain)
	return suffix == domain
}

// cors lets a page that may send read the answer, refusals included (Fetch standard,
// CORS protocol). The origin is named, never reflected unchecked, and never `*`: cookies
// go with the request. Where the key names no source, a page that may send for some
// source may read why.
func (c *Collector) cors(x *exchange) {
	origin, host := x.req.Origin, x.req.Host
	if len(origin) == 0 || x.source != nil && !x.source.allows(origin, host) || x.source == nil && c.sources.allowing(origin, host) == nil {
		return
	}
	x.ans.Header("Access-Control-Allow-Origin", string(origin))
	x.ans.Header("Access-Control-Allow-Credentials", "true")
	x.ans.Header("Access-Control-Expose-Headers", "Retry-After")
	x.ans.Header("Vary", "Origin")
}

// allowing is a source that lets pages of an origin send, nil where there is none.
func (s *sources) allowing(origin, host []byte) *Source {
	for _, src := range s.all {
		if len(origin) > 0 && src.allows(origin, host) {
			return src
		}
	}
	return nil
}

// maxAsked bounds the list of headers that a preflight asks for.
const maxAsked = 1024

// preflight answers OPTIONS. The source key may only come with the request itself, so
// an origin that any source allows is told yes, whatever the route; the request is
// still checked against its own source. What headers a page adds, monitoring above all,
// changes nothing here: those that are asked for are allowed.
func (c *Collector) preflight(x *exchange, methods string) {
	if x.source = c.sources.allowing(x.req.Origin, x.req.Host); x.source == nil {
		c.refuseQuietly(x, &RequestError{ReasonOrigin, ""})
		return
	}
	x.ans.Status = 204
	x.ans.Header("Access-Control-Allow-Methods", methods)
	asked := "content-type, content-encoding, authorization, x-assent-subject"
	if sent := x.req.AskedHeaders; len(sent) > 0 && len(sent) <= maxAsked && isHeaderList(sent) {
		asked = string(sent)
	}
	x.ans.Header("Access-Control-Allow-Headers", asked)
	x.ans.Header("Access-Control-Max-Age", "7200")
}

// isHeaderList reports whether a value holds nothing but header names, commas and
// spaces (RFC 9110, 5.6.2: the characters of a token).
func isHeaderList(b []byte) bool {
	for _, c := range b {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == ',', c == ' ', c == '-', c == '_', c == '.', c == '!', c == '#', c == '$', c == '%', c == '&', c == '\'', c == '*', c == '+', c == '^', c == '`', c == '|', c == '~':
		default:
			return false
		}
	}
	return true
}
