package collector

import (
	"slices"
)

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
	add("POST", pathConsent, small(c.visit(recordChoice, false)))
	// HEAD is only for what GET changes nothing by: never for a dialect.
	read := func(path string, f func(*exchange)) {
		f = small(f)
		add("GET", path, f)
		add("HEAD", path, func(x *exchange) { x.req.Method = methodGet; f(x) })
	}
	read(pathConsent, c.visit(showChoice, false))
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
		show(path, c.visit(page, true))
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
