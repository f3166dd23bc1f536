package collector

import (
	"bytes"
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"
)

// routes are the paths that are served. One segment of a path may be a parameter, as in
// /v1/consent/receipts/{id} or /v1/projects/{key}/settings: it takes any one segment
// that is not empty, where no other path is served. Built once.
type routes struct {
	byPath    map[string]*endpoint // as declared
	withParam []*endpoint          // the more that comes before the parameter, the earlier
}

// endpoint is what is served under one path.
type endpoint struct {
	path          string
	before, after string // of a parameter's segment; both empty: there is none
	methods       methods
	events        bool // its bodies hold events
}

// methods maps a method to what serves it.
type methods map[string]func(*exchange)

var methodGet = []byte("GET")

// Paths of the collector's own.
const (
	pathConsent = "/v1/consent"
	pathGPC     = "/.well-known/gpc.json"
	pathHealth  = "/healthz"
)

// add makes room for one more path.
func (r *routes) add(path string) *endpoint {
	if e := r.byPath[path]; e != nil {
		return e
	}
	e := &endpoint{path: path, methods: methods{}}
	r.byPath[path] = e
	before, rest, param := strings.Cut(path, "{")
	if !param {
		return e
	}
	_, after, closed := strings.Cut(rest, "}")
	if !closed || !strings.HasSuffix(before, "/") || after != "" && after[0] != '/' || strings.Contains(after, "{") {
		panic("BUG: a route whose parameter is no segment, or that has two: " + path)
	}
	e.before, e.after = before, after
	r.withParam = append(r.withParam, e)
	slices.SortFunc(r.withParam, func(a, b *endpoint) int {
		return cmp.Or(len(b.before)-len(a.before), strings.Compare(a.path, b.path))
	})
	return e
}

// find gives what is served under a path, nil for nothing, and its parameter.
func (r *routes) find(path []byte) (e *endpoint, param []byte) {
	if e := r.byPath[string(path)]; e != nil && e.before == "" {
		return e, nil
	}
	for _, e := range r.withParam {
		rest, begins := bytes.CutPrefix(path, []byte(e.before))
		param, ends := bytes.CutSuffix(rest, []byte(e.after))
		if begins && ends && len(param) > 0 && bytes.IndexByte(param, '/') < 0 {
			return e, param
		}
	}
	return nil, nil
}

// newRoutes binds every path to what serves it.
func (c *Collector) newRoutes() *routes {
	t := &routes{byPath: map[string]*endpoint{}}
	add := func(method, path string, f func(*exchange)) { t.add(path).methods[method] = f }
	for _, r := range c.o.Dialects {
		add(r.Method, r.Path, func(x *exchange) { c.collect(x, r.Dialect) })
		t.add(r.Path).events = true
	}
	small := func(f func(*exchange)) func(*exchange) {
		return func(x *exchange) {
			if err := c.takeBody(x, smallBody, smallBody); err != nil {
				c.refuseQuietly(x, err)
				return
			}
			f(x)
		}
	}
	add("POST", pathConsent, small(c.visit(recordChoice)))
	// HEAD is only for what GET changes nothing by: never for a dialect.
	read := func(path string, f func(*exchange)) {
		f = small(f)
		add("GET", path, f)
		add("HEAD", path, func(x *exchange) { x.req.Method = methodGet; f(x) })
	}
	read(pathConsent, c.visit(showChoice))
	read(pathGPC, c.gpcSupport)
	read(pathHealth, c.health)
	show := func(path string, serve func(*exchange)) {
		read(path, serve)
		answer := small(serve)
		add("POST", path, func(x *exchange) {
			if err := c.chargeAddress(x, 0); err != nil { // what is asked of a page costs as much as events
				c.refuseQuietly(x, err)
				return
			}
			answer(x)
		})
	}
	for path, handler := range c.o.Handlers {
		show(path, func(x *exchange) { handler(&x.req, &x.ans) })
	}
	for path, page := range c.o.Pages {
		show(path, c.visit(page))
	}
	return t
}

// route finds and runs the handler.
func (c *Collector) route(x *exchange) {
	e, param := c.routes.find(x.req.Path)
	var m methods
	if e != nil {
		m, x.req.Param = e.methods, param
	}
	if string(x.req.Method) == "OPTIONS" && len(x.req.Origin) > 0 {
		c.preflight(x, m.list())
		return
	}
	if e == nil {
		c.m.refused(ReasonNotFound)
		refuse(&x.ans, ReasonNotFound, "")
		return
	}
	if f := m[string(x.req.Method)]; f != nil {
		f(x)
		return
	}
	allowed := m.list()
	c.m.refused(ReasonMethod)
	refuse(&x.ans, ReasonMethod, "")
	x.ans.Header("Allow", allowed)
}

func (m methods) list() string {
	s := "OPTIONS"
	for _, name := range []string{"GET", "POST"} {
		if m == nil || m[name] != nil {
			s += ", " + name
		}
	}
	return s
}

// health is what a load balancer asks on the public port: whether this node takes
// events and choices now. It says no more than that.
func (c *Collector) health(x *exchange) {
	select {
	case <-c.draining:
		x.ans.Status = 503
	default:
		if c.o.Sink.Ready() != nil || c.o.Registry.Ready() != nil {
			x.ans.Status = 503
		}
	}
}

// gpcSupport says that the signal is honoured (Global Privacy Control, 4.1,
// well-known support resource).
func (c *Collector) gpcSupport(x *exchange) {
	x.ans.ContentType = "application/json"
	x.ans.Body = append(x.ans.Body, `{"gpc":true,"lastUpdate":"2026-11-22"}`+"\n"...)
}

// Routes lists what is served, as `GET /v1/consent`, in order; HEAD, which answers
// wherever GET does, and OPTIONS are left out.
func (c *Collector) Routes() (list []string) {
	for path, e := range c.routes.byPath {
		for method := range e.methods {
			if method != "HEAD" {
				list = append(list, method+" "+path)
			}
		}
	}
	slices.Sort(list)
	return list
}

// mounts are the path prefixes of all sources, the longest first: behind an existing
// site, /collect/v1/events is the route /v1/events of the source with that prefix.
type mounts []string

func newMounts(list []*Source) (m mounts) {
	for _, src := range list {
		m = append(m, src.Paths...)
	}
	slices.SortFunc(m, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	return slices.Compact(m)
}

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

// paths are those of all routes.
func (o *Options) paths() []string {
	var all []string
	for _, r := range o.Dialects {
		all = append(all, r.Path)
	}
	return slices.AppendSeq(slices.AppendSeq(all, maps.Keys(o.Handlers)), maps.Keys(o.Pages))
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
