package collector

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/idna"

	"assent/names"
)

// host is one host that requests name, in the form in which browsers send it: lower
// case, in ASCII, without the dot that ends a full domain name (RFC 1034, 3.1).
type host struct {
	name string
	port string // empty: that of http or https
}

var errHost = errors.New("is no host: want data.shop.example, or data.shop.example:8443 where browsers send a port")

// parseHost reads a host as people write it, `name[:port]`. What no Host header could
// be (RFC 9110, 7.2) is an error that says what to write instead.
func parseHost(s string) (host, error) {
	if strings.Contains(s, "*") {
		return host{}, errors.New("is no host: a request names one host, so write each of them")
	}
	_, rest, url := strings.Cut(s, "://")
	if !url {
		rest = s
	}
	rest, _, path := strings.Cut(rest, "/")
	h, err := hostOf(rest)
	switch {
	case err != nil:
		return host{}, err
	case path && !url:
		return host{}, fmt.Errorf("is no host: write %s, and the path under paths", rest)
	case url || path:
		return host{}, fmt.Errorf("is no host: write %s", rest)
	}
	return h, nil
}

func hostOf(s string) (host, error) {
	name, port := splitHost([]byte(s))
	h := host{name: strings.ToLower(string(name)), port: string(port)}
	if n, err := strconv.ParseUint(h.port, 10, 16); h.port != "" && (err != nil || n == 0) {
		return host{}, errHost
	}
	bare, bracketed := strings.CutPrefix(h.name, "[")
	addr, err := netip.ParseAddr(strings.TrimSuffix(bare, "]"))
	switch {
	case strings.Count(s, ":") > 1 && !bracketed, bracketed && (err != nil || !addr.Is6() || addr.Zone() != ""):
		return host{}, errors.New("is no host: an IPv6 address is written as [2001:db8::1], without a zone")
	case bracketed:
		h.name = "[" + addr.String() + "]"
		return h, nil
	case !ascii(h.name):
		if h.name, err = idna.Lookup.ToASCII(h.name); err != nil {
			return host{}, errHost
		}
	}
	for label := range strings.SplitSeq(h.name, ".") {
		if label == "" || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return host{}, errHost
		}
	}
	return h, nil
}

// splitHost parts name and port of a Host header. The ports of http and https go
// without saying, for the front may have ended TLS.
func splitHost(sent []byte) (name, port []byte) {
	name = sent
	if i := bytes.LastIndexByte(sent, ':'); i > bytes.LastIndexByte(sent, ']') {
		name, port = sent[:i], sent[i+1:]
	}
	if p := string(port); p == "80" || p == "443" {
		port = nil
	}
	return bytes.TrimSuffix(name, dot), port
}

var dot = []byte{'.'}

// is reports whether a request's name and port are meant.
func (h *host) is(name, port []byte) bool {
	return string(port) == h.port && names.EqualFold(name, h.name)
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// mounts are the path prefixes of all sources, the longest first: behind an existing
// site, /collect/v1/events is the route /v1/events of the source with that prefix.
type mounts []string

// cut gives the route of a path as it came, and the prefix it was found under: whole
// segments, and one slash at the end is no other path.
func (m mounts) cut(path []byte) (route []byte, prefix string) {
	for _, p := range m {
		if rest, ok := bytes.CutPrefix(path, []byte(p)); ok && (len(rest) == 0 || rest[0] == '/') {
			path, prefix = rest, p
			break
		}
	}
	if n := len(path); n > 1 && path[n-1] == '/' {
		path = path[:n-1]
	}
	return path, prefix
}

// hides gives the path under which no route, of the collector's own or of those given,
// would be found any more if p were cut off: p goes on with a route's first segment, from
// the root or from another prefix.
func (m mounts) hides(p string, routes []string) string {
	for _, base := range append(mounts{""}, m...) {
		rest, ok := strings.CutPrefix(p, base)
		if !ok {
			continue
		}
		for _, route := range append([]string{pathConsent, pathGPC, pathHealth}, routes...) {
			first, _, _ := strings.Cut(route[1:], "/")
			own := "/" + first
			if rest == own || strings.HasPrefix(rest, own+"/") {
				return base + own
			}
		}
	}
	return ""
}

// checkPrefix says what is wrong with a path prefix as it was configured.
func checkPrefix(p string) error {
	const want = "want whole segments, as /collect, with no slash at the end"
	switch {
	case len(p) < 2 || p[0] != '/' || p[len(p)-1] == '/' || strings.Contains(p, "//"):
		return errors.New(want)
	case strings.Trim(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/") != "":
		return errors.New(want + ", with letters, digits and - _ ~ and dots in each")
	case slices.ContainsFunc(strings.Split(p, "/"), func(s string) bool { return s == "." || s == ".." }):
		return errors.New(want + ", because browsers resolve dots")
	}
	return nil
}

// Paths of the collector's own.
const (
	pathConsent = "/v1/consent"
	pathGPC     = "/.well-known/gpc.json"
	pathHealth  = "/healthz"
)
