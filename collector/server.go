package collector

import (
	"bytes"
	"context"
	cryptorand "crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"

	"github.com/valyala/fasthttp"

	"assent/geo"
	"assent/names"
	"assent/rate"
)

// New compiles the options. It does not listen yet.
func New(o Options) (*Collector, error) {
	o.EnsureDefaults()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	sources, wrong := newSources(o.Sources, o.paths())
	if len(wrong) > 0 {
		return nil, wrong[0]
	}
	l := o.Limits
	c := &Collector{
		o: o, sources: sources, mounts: newMounts(sources.all), proxies: o.Proxies, places: newPlaces(o.Signals), m: newInstruments(),
		memory: budget{limit: int64(l.Memory)}, large: make(chan *exchange, keepLarge),
		sourceRate: rate.NewLimit(l.SourceRate, l.SourceBurst), addressRate: rate.NewLimit(l.AddressRate, l.AddressBurst),
		choiceRate: rate.NewLimit(l.ChoiceRate, l.ChoiceBurst), choosers: rate.NewAddresses(),
		started: o.Now(), badRate: rate.NewLimit(l.BadRows, l.BadRowBurst), stopped: make(chan struct{}), draining: make(chan struct{}),
	}
	if !c.addressRate.None() {
		c.addresses = rate.NewAddresses()
	}
	if err := c.useDedupKey(); err != nil {
		return nil, err
	}
	if c.proxies == nil {
		c.proxies = &geo.Proxies{}
	}
	c.conns = newConnections(l.Connections, c.speaksForMany, c.m.evicted.Inc)
	c.m.gauges(&c.conns.open, &c.memory.used)
	var seed [32]byte
	if _, err := io.ReadFull(cryptorand.Reader, seed[:]); err != nil {
		return nil, fmt.Errorf("seeding record ids: %w", err)
	}
	seeds := rand.NewChaCha8(seed)
	var mu sync.Mutex
	c.pool.New = func() any {
		mu.Lock()
		defer mu.Unlock()
		var s [32]byte
		_, _ = seeds.Read(s[:])
		return &exchange{memory: &c.memory, recordIDs: ids{rng: rand.NewChaCha8(s)}}
	}
	c.otherChoice, c.otherID = otherName(o.Cookies.Choice), otherName(o.Cookies.ID)
	c.routes = c.newRoutes()
	if err := c.SetPolicy(o.Policy); err != nil {
		return nil, err
	}
	c.server = c.newServer()
	return c, nil
}

// newServer is the HTTP server of this collector.
func (c *Collector) newServer() *fasthttp.Server {
	l := c.o.Limits
	return &fasthttp.Server{
		Handler:            c.handle,
		HeaderReceived:     c.headerReceived,
		ExpectHandler:      c.expect,
		ErrorHandler:       c.unreadable,
		Logger:             silent{},
		ReadBufferSize:     l.Header,
		StreamRequestBody:  true, // see wire.go
		MaxRequestBodySize: l.Body,
		Concurrency:        2 * l.Connections, // more than the listener lets in
		ReadTimeout:        l.ReadTimeout,
		WriteTimeout:       l.WriteTimeout,
		IdleTimeout:        l.IdleTimeout,

		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		DisablePreParseMultipartForm: true,
		CloseOnShutdown:              true,
	}
}

// Serve answers on the listener until Shutdown.
func (c *Collector) Serve(ln net.Listener) error {
	c.flushing.Do(func() { go c.flush() })
	return c.server.Serve(&listener{Listener: ln, table: c.conns, refused: c.tooMany, failed: c.acceptFailed, memory: &c.memory, extra: &c.lingering, writing: c.o.Limits.WriteTimeout})
}

// speaksForMany reports whether a peer's connections are those of many people: it is
// a trusted proxy, or on this machine, as a proxy or a load test may be.
func (c *Collector) speaksForMany(peer netip.Addr) bool {
	return peer.IsLoopback() || c.proxies.Trusts(peer)
}

// acceptFailed counts a connection that could not be accepted, and says so once until
// one could be again.
func (c *Collector) acceptFailed(err error, first bool) {
	c.m.unaccepted.Inc()
	if first && c.o.AcceptFailed != nil {
		c.o.AcceptFailed(err)
	}
}

// tooMany answers for a connection beyond Limits.Connections.
func (c *Collector) tooMany(conn net.Conn) {
	c.m.refused(ReasonOverloaded)
	var a Answer
	refuse(&a, ReasonOverloaded, "")
	b := fmt.Appendf(nil, "HTTP/1.1 %d Service Unavailable\r\nConnection: close\r\nContent-Type: %s\r\nContent-Length: %d\r\n", a.Status, a.ContentType, len(a.Body))
	for _, h := range a.Headers {
		b = fmt.Appendf(b, "%s: %s\r\n", h.Name, h.Value)
	}
	// A new connection has room for this: nothing to wait for.
	_, _ = conn.Write(append(append(b, "\r\n"...), a.Body...))
}

// Shutdown stops accepting, answers what is in flight, writes the bad rows that
// were added up and returns when all connections are closed or the context ends.
// Those rows are written first as well, while there is time for sure.
func (c *Collector) Shutdown(ctx context.Context) error {
	c.stopping.Do(func() { close(c.draining) })
	c.flushBadRows(ctx)
	err := c.server.ShutdownWithContext(ctx)
	c.ended.Do(func() { close(c.stopped) })
	c.flushBadRows(ctx)
	return err
}

// silent: fasthttp's own messages can quote what a client sent.
type silent struct{}

func (silent) Printf(string, ...any) {}

// handle runs one request. A panic is a bug of ours and costs one request, not
// the process; its message may hold visitor data and is not logged.
func (c *Collector) handle(ctx *fasthttp.RequestCtx) {
	x := c.borrow(ctx)
	defer func() {
		if recover() != nil {
			c.m.refused(ReasonInternal)
			c.finishDedup(x, false)
			x = &exchange{memory: x.memory, recordIDs: x.recordIDs, state: state{borrowed: x.borrowed, wire: x.wire, conn: x.conn}}
			refuse(&x.ans, ReasonInternal, "")
		}
		c.respond(ctx, x)
		c.giveBack(x)
	}()
	c.readRequest(ctx, x)
	if err := misframed(&ctx.Request.Header); err != nil {
		c.refuseQuietly(x, err)
		closeAfter(ctx, x)
	} else {
		c.route(x)
	}
	c.cors(x)
	c.m.latency.Observe(int64(c.o.Now().Sub(x.req.Received)))
}

// readRequest takes from the HTTP request what the steps may see.
func (c *Collector) readRequest(ctx *fasthttp.RequestCtx, x *exchange) {
	r, h := &x.req, &ctx.Request.Header
	r.Method, r.Host = ctx.Method(), ctx.Host()
	r.Path, r.Prefix = c.mounts.cut(ctx.Path())
	r.Query = ctx.QueryArgs()
	r.ContentType = h.ContentType()
	if x.wire = ctx.RequestBodyStream(); x.wire == nil {
		r.Body = ctx.Request.Body()
	}
	x.announced = h.ContentLength()
	x.conn, _ = ctx.Conn().(*lingerConn)
	r.Origin = h.Peek("Origin")
	r.FetchSite = h.Peek("Sec-Fetch-Site")
	if ctx.IsOptions() {
		r.AskedHeaders = h.Peek("Access-Control-Request-Headers")
	}
	r.UserAgent = bounded(ctx.UserAgent())
	r.Anonymous = len(h.Peek(anonymousHeader)) > 0
	c.carry(h, ctx.QueryArgs(), x)
	r.SubjectToken = h.Peek("X-Assent-Subject")
	c.readCookies(h, x)
	x.encoding = h.Peek("Content-Encoding")
	c.readKey(r, h.Peek("Authorization"))
	if addr, ok := netip.AddrFromSlice(peerIP(ctx)); ok {
		r.Peer = addr.Unmap()
	}
	if !c.proxies.Trusts(r.Peer) {
		return
	}
	if r.Prefix == "" {
		// A front that strips the prefix says so in this header (Traefik, Spring). Answers
		// name places of this host by it, so what is no prefix counts as none.
		if said := strings.TrimSuffix(string(h.Peek("X-Forwarded-Prefix")), "/"); said != "" && checkPrefix(said) == nil {
			r.Prefix = said
		}
	}
	f := &x.forwarding
	f.Forwarded = append(f.Forwarded, h.PeekAll("Forwarded")...)
	f.XForwardedFor = append(f.XForwardedFor, h.PeekAll("X-Forwarded-For")...)
	if c.o.CDNHeader != "" {
		f.CDN = append(f.CDN, h.PeekAll(c.o.CDNHeader)...)
	}
	if c.o.CountryHeader != "" {
		f.Country = append(f.Country, h.PeekAll(c.o.CountryHeader)...)
	}
	if c.o.RegionHeader != "" {
		f.Region = append(f.Region, h.PeekAll(c.o.RegionHeader)...)
	}
}

func peerIP(ctx *fasthttp.RequestCtx) net.IP {
	if tcp, ok := ctx.RemoteAddr().(*net.TCPAddr); ok {
		return tcp.IP
	}
	return nil
}

// readKey takes the source key from where the field's SDKs put it: Basic user
// (Segment), bearer token, `k` or `writeKey` in the query. A staging site's own Basic
// login, which a browser adds to every request, names no source: beside a key in the
// query it is not meant for us.
func (c *Collector) readKey(r *Request, auth []byte) {
	scheme, credentials, _ := bytes.Cut(auth, []byte{' '})
	credentials = bytes.Trim(credentials, " ")
	query := r.Query.Peek("k")
	if len(query) == 0 {
		query = r.Query.Peek("writeKey")
	}
	switch {
	case names.EqualFold(scheme, "basic"):
		user, err := base64.StdEncoding.AppendDecode(nil, credentials)
		if r.Key, _, _ = bytes.Cut(user, []byte{':'}); err != nil {
			r.Key = auth // names no source: refused
		}
		if len(query) > 0 && c.sources.byKey[string(r.Key)] == nil {
			r.Key = query
		}
	case names.EqualFold(scheme, "bearer"):
		r.Bearer = credentials
	default:
		r.Key = query
	}
}

// respond writes the answer. What a GET answers may be a person's state and is
// kept by no cache; answers to POST are not cached (RFC 9110, 9.3.3).
func (c *Collector) respond(ctx *fasthttp.RequestCtx, x *exchange) {
	a := &x.ans
	ctx.SetStatusCode(a.Status)
	h := &ctx.Response.Header
	if a.ContentType != "" {
		h.SetContentType(a.ContentType)
	}
	if !ctx.IsPost() {
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
	}
	for _, e := range a.Headers {
		h.Add(e.Name, e.Value)
	}
	c.writeCookies(h, x)
	ctx.Response.SetBody(a.Body)
	if x.wire != nil {
		closeAfter(ctx, x)
	}
	if x.conn.crowded() {
		ctx.SetConnectionClose()
	}
}

// closeAfter has the connection closed once the answer is sent: what is left of the
// request would be read as the next one.
func closeAfter(ctx *fasthttp.RequestCtx, x *exchange) {
	ctx.SetConnectionClose()
	if x.conn != nil {
		x.conn.linger = x.ans.Status != fasthttp.StatusRequestTimeout
	}
}

// unreadable answers for what fasthttp could not read as a request.
func (c *Collector) unreadable(ctx *fasthttp.RequestCtx, err error) {
	var a Answer
	var small *fasthttp.ErrSmallBuffer
	var timeout net.Error
	reason, detail := ReasonUnreadable, "this is not an HTTP request that can be read"
	conn, _ := ctx.Conn().(*lingerConn)
	switch {
	case conn.evicted():
		reason, detail = ReasonOverloaded, ""
	case errors.As(err, &small):
		reason, detail = ReasonHeaderLarge, ""
	case errors.As(err, &timeout) && timeout.Timeout():
		reason, detail = ReasonTimeout, ""
	}
	if conn != nil {
		conn.linger = reason != ReasonTimeout
	}
	c.m.refused(reason)
	refuse(&a, reason, detail)
	c.respond(ctx, &exchange{buffers: buffers{ans: a}})
}

// takesEvents reports whether a path, as it came, is one of a dialect.
func (c *Collector) takesEvents(uri []byte) bool {
	path, _, _ := bytes.Cut(uri, []byte{'?'})
	route, _ := c.mounts.cut(path)
	e, _ := c.routes.find(route)
	return e != nil && e.events
}

// headerReceived sees each request before its body is read. Where the sink takes nothing,
// fasthttp reads a single byte of a body of events: beforeBody then refuses the request.
func (c *Collector) headerReceived(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	if c.takesEvents(h.RequestURI()) && c.o.Sink.Admit("") != nil {
		return fasthttp.RequestConfig{MaxRequestBodySize: 1}
	}
	return fasthttp.RequestConfig{}
}

// expect answers `Expect: 100-continue` (RFC 9110, 10.1.1): a sender is told to
// send its body where nothing that is known without it speaks against that.
func (c *Collector) expect(ctx *fasthttp.RequestCtx) int {
	x := c.borrow(ctx)
	defer c.giveBack(x)
	c.readRequest(ctx, x)
	err := misframed(&ctx.Request.Header)
	if err == nil {
		err = c.foresee(x)
	}
	if err == nil {
		return fasthttp.StatusContinue
	}
	c.refuseQuietly(x, err)
	c.cors(x)
	c.respond(ctx, x)
	closeAfter(ctx, x) // it may send the body all the same
	return x.ans.Status
}

func (c *Collector) foresee(x *exchange) *RequestError {
	limit := smallBody
	if c.takesEvents(x.req.Path) {
		limit = c.o.Limits.Body
		if x.conn.crowded() {
			return errOverloaded
		}
		if c.o.Sink.Admit("") != nil {
			return errSink
		}
		if err := c.sourceFromHeaders(x); err != nil {
			return err
		}
	}
	switch {
	case x.announced > limit:
		return &RequestError{ReasonTooLarge, ""}
	case !c.memory.fits(x.announced):
		return errOverloaded
	}
	return nil
}
