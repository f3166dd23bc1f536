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
