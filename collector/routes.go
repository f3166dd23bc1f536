package collector

import "slices"

// methods maps a method to what serves it.
type methods map[string]func(*exchange)

var methodGet = []byte("GET")

// table is every route: path → method → handler. Built once.
func (c *Collector) table() map[string]methods {
	t := map[string]methods{}
	add := func(method, path string, f func(*exchange)) {
		if t[path] == nil {
			t[path] = methods{}
		}
		t[path][method] = f
	}
	for _, r := range c.o.Dialects {
		add(r.Method, r.Path, func(x *exchange) { c.collect(x, r.Dialect) })
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
	add("POST", "/v1/consent", small(c.recordChoice))
	// HEAD is only for what GET changes nothing by: never for a dialect.
	read := func(path string, f func(*exchange)) {
		f = small(f)
		add("GET", path, f)
		add("HEAD", path, func(x *exchange) { x.req.Method = methodGet; f(x) })
	}
	read("/v1/consent", c.showChoice)
	read("/.well-known/gpc.json", c.gpcSupport)
	read("/healthz", c.health)
	for path, page := range c.o.Pages {
		serve := func(x *exchange) { page(&x.req, &x.ans) }
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
	return t
}

// route finds and runs the handler.
func (c *Collector) route(x *exchange) {
	m, ok := c.routes[string(x.req.Path)]
	if string(x.req.Method) == "OPTIONS" && len(x.req.Origin) > 0 {
		c.preflight(x, m.list())
		return
	}
	if !ok {
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
	for path, m := range c.routes {
		for method := range m {
			if method != "HEAD" {
				list = append(list, method+" "+path)
			}
		}
	}
	slices.Sort(list)
	return list
}
