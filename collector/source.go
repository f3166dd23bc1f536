package collector

import (
	"cmp"
	"crypto/subtle"
	"fmt"
	"slices"
	"strings"

	"assent/consent"
	"assent/names"
	"assent/policy"
	"assent/rate"
	"assent/sinks"
)

// Kind says what sends a source's events.
type Kind string

// The kinds of sources of the contract.
const (
	KindWeb    Kind = "web"
	KindApp    Kind = "app"
	KindTV     Kind = "tv"
	KindServer Kind = "server"
)

// Source is one declared sender of events.
type Source struct {
	ID       string   // names it in headers, bad rows and explanations
	Kind     Kind     // web by default
	Key      string   // public key; empty: found by host or path only
	Bearer   string   // secret of a server source; proves it
	Origins  []string // allowed browser origins, as `scheme://host[:port]`; `*.` before the host: its sub-domains
	Hosts    []string // hosts whose requests without a key belong to it, as `name[:port]`
	Paths    []string // path prefixes likewise, cut off before a route is looked for
	Audience policy.Audience
	// A server that sent its bearer token may name these for the person it
	// speaks of; without the right the person's place is unknown.
	MayNameAddress, MayNameTime bool
	// Authority are the consent managers that speak for its visitors: a string of theirs
	// is a choice of the person whom the same request proves.
	Authority consent.SchemeSet
	// Accounts is the realm of the account ids that a server vouches for, which sources may
	// share. Only one that sent its bearer token does.
	Accounts string
	Promise  sinks.Promise // what a 2xx to it stands for; durable by default

	urn     []byte
	share   [2][4]byte // see Shares
	origins []origin
	hosts   []host
	open    bool           // the demo source: no key, same-origin and loopback pages
	buckets [2]rate.Bucket // by whether the token was shown, so that strangers with the key leave the server its rate
}

// Demo is the source in force when none is configured: it takes events without
// a key, from this host's own pages and from loopback.
func Demo() *Source {
	return &Source{ID: "demo", Kind: KindWeb, Audience: policy.General, open: true}
}

// sources finds the source of a request.
type sources struct {
	all    []*Source
	byKey  map[string]*Source
	bearer []*Source
	open   *Source
}

// SourceError is what is wrong with one source.
type SourceError struct {
	Index int
	ID    string
	Err   error
}

func (e *SourceError) Error() string { return fmt.Sprintf("source %q: %v", e.ID, e.Err) }

// Unwrap returns what is wrong.
func (e *SourceError) Unwrap() error { return e.Err }

func newSources(list []*Source, routes []string) (*sources, []*SourceError) {
	if len(list) == 0 {
		list = []*Source{Demo()}
	}
	c := &sourceCheck{
		s: &sources{byKey: map[string]*Source{}}, prefixes: newMounts(list), routes: routes,
		ids: map[string]bool{}, byHost: map[host]*Source{}, byPath: map[string]*Source{}, byBearer: map[string]*Source{},
	}
	for i, src := range list {
		c.index, c.src = i, src
		c.who()
		c.places()
		c.credentials()
		src.urn = []byte("urn:assent:source:" + src.ID)
		if src.open {
			c.s.open = src
		}
		c.s.all = append(c.s.all, src)
	}
	for i, src := range list {
		if other := c.s.byKey[src.Bearer]; src.Bearer != "" && other != nil {
			c.index, c.src = i, src
			c.add("its bearer token is the public key of source %q, which anybody can read: make a secret", other.ID)
		}
	}
	return c.s, c.wrong
}

// sourceCheck takes one source after the other, each held against those before it.
type sourceCheck struct {
	s        *sources
	prefixes mounts
	routes   []string
	wrong    []*SourceError
	index    int // of the source at hand
	src      *Source

	ids              map[string]bool
	byHost           map[host]*Source
	byPath, byBearer map[string]*Source
}

func (c *sourceCheck) add(format string, args ...any) {
	c.wrong = append(c.wrong, &SourceError{c.index, c.src.ID, fmt.Errorf(format, args...)})
}

// who checks kind, promise and id.
func (c *sourceCheck) who() {
	src := c.src
	switch src.Kind {
	case "":
		src.Kind = KindWeb
	case KindWeb, KindApp, KindTV, KindServer:
	default:
		c.add("kind %q is none of web, app, tv, server", src.Kind)
	}
	if src.Promise != sinks.Durable && src.Promise != sinks.Delivered {
		c.add("its promise is neither durable nor delivered")
	}
	switch err := names.Label(src.ID); {
	case src.ID == "" || c.ids[src.ID]:
		c.add("every source needs an id of its own")
	case err != nil:
		c.add("its id %w", err)
	}
	c.ids[src.ID] = true
}

// places reads origins, hosts and paths.
func (c *sourceCheck) places() {
	src := c.src
	src.origins, src.hosts = nil, nil
	for _, written := range src.Origins {
		o, err := parseOrigin(written)
		if err != nil {
			c.add("origins: %q: %w", written, err)
		}
		src.origins = append(src.origins, o)
	}
	for _, written := range src.Hosts {
		h, err := parseHost(written)
		if err != nil {
			c.add("hosts: %q %w", written, err)
			continue
		}
		if other := c.byHost[h]; other != nil {
			c.add("hosts: %q is also a host of source %q", written, other.ID)
		}
		c.byHost[h], src.hosts = src, append(src.hosts, h)
	}
	for _, p := range src.Paths {
		if err := checkPrefix(p); err != nil {
			c.add("paths: %q: %w", p, err)
		}
		if route := c.prefixes.hides(p, c.routes); route != "" {
			c.add("paths: %q: requests for the routes under %s would be taken for its own: choose another, as /collect", p, route)
		}
		if other := c.byPath[p]; other != nil {
			c.add("paths: %q is also a path of source %q", p, other.ID)
		}
		c.byPath[p] = src
	}
}

// credentials checks key and bearer token, and that something finds the source.
func (c *sourceCheck) credentials() {
	src := c.src
	if src.Key != "" {
		if other := c.s.byKey[src.Key]; other != nil {
			c.add("its key is also that of source %q", other.ID)
		}
		c.s.byKey[src.Key] = src
	}
	if src.Bearer != "" {
		if src.Kind != KindServer {
			c.add("a bearer token is for kind server")
		}
		if other := c.byBearer[src.Bearer]; other != nil {
			c.add("its bearer token is also that of source %q: each proves one", other.ID)
		}
		c.byBearer[src.Bearer] = src
		c.s.bearer = append(c.s.bearer, src)
	}
	if src.Key == "" && src.Bearer == "" && !src.open && len(src.Hosts) == 0 && len(src.Paths) == 0 {
		c.add("needs a key, a bearer token, a host or a path")
	}
}

// find resolves the source of a request: the bearer token, then the key, then
// host or path prefix. proven is true only for a bearer token. A key that names
// no source finds nothing, even where the host would.
func (s *sources) find(r *Request) (src *Source, proven bool) {
	if s.open != nil {
		return s.open, false
	}
	if len(r.Bearer) > 0 {
		for _, src := range s.bearer {
			if subtle.ConstantTimeCompare(r.Bearer, []byte(src.Bearer)) == 1 {
				return src, true
			}
		}
		return s.byKey[string(r.Bearer)], false
	}
	if len(r.Key) > 0 {
		return s.byKey[string(r.Key)], false
	}
	name, port := splitHost(r.Host)
	for _, src := range s.all {
		for i := range src.hosts {
			if src.hosts[i].is(name, port) {
				return src, false
			}
		}
		if r.Prefix != "" && slices.Contains(src.Paths, r.Prefix) {
			return src, false
		}
	}
	return nil, false
}

// allows reports whether a page of this origin may speak for the source. No
// Origin is a sender that is no browser page, or an image; browsers send one
// with every cross-origin POST (Fetch standard, "append a request Origin header").
func (s *Source) allows(origin, host []byte) bool {
	if len(origin) == 0 {
		return true
	}
	for i := range s.origins {
		if s.origins[i].allows(origin) {
			return true
		}
	}
	if !s.open {
		return false
	}
	_, rest, ok := strings.Cut(string(origin), "://")
	if !ok {
		return false
	}
	if rest == string(host) {
		return true
	}
	name, port, _ := strings.Cut(strings.Replace(rest, "[::1]", "localhost", 1), ":")
	return (name == "localhost" || name == "127.0.0.1") && strings.Trim(port, "0123456789") == ""
}

func newMounts(list []*Source) (m mounts) {
	for _, src := range list {
		m = append(m, src.Paths...)
	}
	slices.SortFunc(m, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	return slices.Compact(m)
}
