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
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"assent/geo"
	"assent/policy"
)

// Collector serves the public listener.
type Collector struct {
	o       Options
	sources *sources
	proxies *geo.Proxies
	policy  atomic.Pointer[inForce]
	m       *instruments
	routes  map[string]methods
	bulk    map[string]bool // paths whose bodies hold events
	pool    sync.Pool
	server  *fasthttp.Server
}

// New compiles the options. It does not listen yet.
func New(o Options) (*Collector, error) {
	o.EnsureDefaults()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	sources, wrong := newSources(o.Sources)
	if len(wrong) > 0 {
		return nil, wrong[0]
	}
	c := &Collector{o: o, sources: sources, proxies: o.Proxies, m: newInstruments()}
	if c.proxies == nil {
		c.proxies = &geo.Proxies{}
	}
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
		return &exchange{ids: ids{rng: rand.NewChaCha8(s)}}
	}
	c.routes, c.bulk = c.table(), map[string]bool{}
	for _, r := range o.Dialects {
		c.bulk[r.Path] = true
	}
	c.SetPolicy(o.Policy)
	l := o.Limits
	c.server = &fasthttp.Server{
		Handler:            c.handle,
		HeaderReceived:     c.bodyLimit,
		ErrorHandler:       c.unreadable,
		Logger:             silent{},
		ReadBufferSize:     l.Header,
		MaxRequestBodySize: l.Body,
		Concurrency:        l.Connections,
		ReadTimeout:        l.ReadTimeout,
		WriteTimeout:       l.WriteTimeout,
		IdleTimeout:        l.IdleTimeout,

		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		DisablePreParseMultipartForm: true,
		CloseOnShutdown:              true,
	}
	return c, nil
}

// SetPolicy puts another policy in force for the requests that follow. The
// caller hands its purposes to the Registry.
func (c *Collector) SetPolicy(p *policy.Policy) { c.policy.Store(c.newInForce(p)) }

// Policy is the policy in force.
func (c *Collector) Policy() *policy.Policy { return c.policy.Load().Policy }

// WriteMetrics writes this package's metrics in Prometheus text format.
func (c *Collector) WriteMetrics(w io.Writer) { c.m.set.WritePrometheus(w) }

// Serve answers on the listener until Shutdown.
func (c *Collector) Serve(ln net.Listener) error { return c.server.Serve(lingering{ln}) }

// Shutdown stops accepting, answers what is in flight and returns when all
// connections are closed or the context ends.
func (c *Collector) Shutdown(ctx context.Context) error {
	return c.server.ShutdownWithContext(ctx)
}

// silent: fasthttp's own messages can quote what a client sent.
type silent struct{}

func (silent) Printf(string, ...any) {}

// bodyLimit bounds a body before it is read: fasthttp reserves what the header
// announces. Only a dialect's route takes the whole limit.
func (c *Collector) bodyLimit(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	path, _, _ := bytes.Cut(h.RequestURI(), []byte{'?'})
	if c.bulk[string(path)] {
		return fasthttp.RequestConfig{}
	}
	return fasthttp.RequestConfig{MaxRequestBodySize: min(smallBody, c.o.Limits.Body)}
}

// smallBody is the most that routes without events take.
const smallBody = 64 << 10

// handle runs one request. A panic is a bug of ours and costs one request, not
// the process; its message may hold visitor data and is not logged.
func (c *Collector) handle(ctx *fasthttp.RequestCtx) {
	x := c.pool.Get().(*exchange)
	x.reset(c.policy.Load(), c.o.Now())
	defer func() {
		if recover() != nil {
			c.m.refused(ReasonInternal)
			x = &exchange{ids: x.ids}
			refuse(&x.ans, ReasonInternal, "")
		}
		c.respond(ctx, x)
		c.pool.Put(x)
	}()
	c.readRequest(ctx, x)
	c.route(x)
	cors(x)
	c.m.latency.Observe(int64(c.o.Now().Sub(x.req.Received)))
}

// keepArena bounds what a pooled exchange keeps from an unusually large request.
const keepArena = 1 << 20

func (x *exchange) reset(p *inForce, now time.Time) {
	x.req = Request{Received: now, Forwarding: geo.Forwarding{
		Forwarded: x.req.Forwarding.Forwarded[:0], XForwardedFor: x.req.Forwarding.XForwardedFor[:0], CDN: x.req.Forwarding.CDN[:0],
	}}
	x.ans.Status, x.ans.ContentType = 200, ""
	x.ans.Body, x.ans.Headers, x.ans.Cookies = x.ans.Body[:0], x.ans.Headers[:0], x.ans.Cookies[:0]
	x.source, x.proven, x.keyed, x.encoding = nil, false, false, nil
	x.policy, x.person, x.fresh = p, nil, ""
	x.ip, x.stamp = x.ip[:0], appendTime(x.stamp[:0], now)
	clear(x.events)
	x.events, x.results = x.events[:0], x.results[:0]
	clear(x.batch.Records)
	x.batch.Records, x.headers, x.arena = x.batch.Records[:0], x.headers[:0], x.arena[:0]
	if cap(x.arena) > keepArena || cap(x.body) > keepArena {
		x.arena, x.body, x.headers, x.batch.Records, x.events, x.results = nil, nil, nil, nil, nil, nil
	}
}

var (
	basicPrefix  = []byte("Basic ")
	bearerPrefix = []byte("Bearer ")
)

// readRequest takes from the HTTP request what the steps may see.
func (c *Collector) readRequest(ctx *fasthttp.RequestCtx, x *exchange) {
	r, h := &x.req, &ctx.Request.Header
	r.Method, r.Path, r.Host = ctx.Method(), ctx.Path(), ctx.Host()
	r.Query = ctx.QueryArgs()
	r.ContentType = h.ContentType()
	r.Body = ctx.Request.Body()
	r.Origin = h.Peek("Origin")
	r.FetchSite = h.Peek("Sec-Fetch-Site")
	r.UserAgent = ctx.UserAgent()
	for _, v := range h.PeekAll("Sec-GPC") {
		if r.GPC = v; string(v) == "1" {
			break
		}
	}
	r.SubjectToken = h.Peek("X-Assent-Subject")
	r.ChoiceCookie = h.Cookie(c.o.Cookies.Choice)
	r.IDCookie = h.Cookie(c.o.Cookies.ID)
	x.encoding = h.Peek("Content-Encoding")
	c.readKey(r, h.Peek("Authorization"))
	if addr, ok := netip.AddrFromSlice(peerIP(ctx)); ok {
		r.Peer = addr.Unmap()
	}
	if !c.proxies.Trusts(r.Peer) {
		return
	}
	f := &r.Forwarding
	f.Forwarded = append(f.Forwarded, h.PeekAll("Forwarded")...)
	f.XForwardedFor = append(f.XForwardedFor, h.PeekAll("X-Forwarded-For")...)
	if c.o.CDNHeader != "" {
		f.CDN = append(f.CDN, h.PeekAll(c.o.CDNHeader)...)
	}
}

func peerIP(ctx *fasthttp.RequestCtx) net.IP {
	if tcp, ok := ctx.RemoteAddr().(*net.TCPAddr); ok {
		return tcp.IP
	}
	return nil
}

// readKey takes the source key from where the field's SDKs put it: Basic user
// (Segment), bearer token, `k` or `writeKey` in the query.
func (c *Collector) readKey(r *Request, auth []byte) {
	switch {
	case bytes.HasPrefix(auth, basicPrefix):
		user, err := base64.StdEncoding.AppendDecode(nil, auth[len(basicPrefix):])
		if err != nil {
			r.Key = auth // names no source: refused
			return
		}
		r.Key, _, _ = bytes.Cut(user, []byte{':'})
	case bytes.HasPrefix(auth, bearerPrefix):
		r.Bearer = auth[len(bearerPrefix):]
	default:
		if r.Key = r.Query.Peek("k"); len(r.Key) == 0 {
			r.Key = r.Query.Peek("writeKey")
		}
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
	for _, k := range a.Cookies {
		h.Add("Set-Cookie", c.setCookie(k))
	}
	ctx.Response.SetBody(a.Body)
}

// setCookie writes a first-party cookie (RFC 6265). SameSite=Lax lets it come
// with navigation and with the brand's own pages, never with another site's POST.
func (c *Collector) setCookie(k Cookie) string {
	age := int64(k.MaxAge / time.Second)
	if k.Value == "" {
		age = 0
	}
	s := fmt.Sprintf("%s=%s; Path=%s; Max-Age=%d; Secure; HttpOnly; SameSite=Lax", k.Name, k.Value, c.o.Cookies.Path, age)
	if c.o.Cookies.Domain != "" {
		s += "; Domain=" + c.o.Cookies.Domain
	}
	return s
}

// unreadable answers for what fasthttp could not read as a request.
func (c *Collector) unreadable(ctx *fasthttp.RequestCtx, err error) {
	var a Answer
	var small *fasthttp.ErrSmallBuffer
	var timeout net.Error
	reason, detail := ReasonUnreadable, "this is not an HTTP request that can be read"
	switch {
	case errors.As(err, &small):
		reason, detail = ReasonHeaderLarge, ""
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		reason, detail = ReasonTooLarge, ""
	case errors.As(err, &timeout) && timeout.Timeout():
		reason, detail = ReasonTimeout, ""
	}
	if conn, ok := ctx.Conn().(*lingerConn); ok {
		conn.linger = reason != ReasonTimeout
	}
	c.m.refused(reason)
	refuse(&a, reason, detail)
	c.respond(ctx, &exchange{ans: a})
}
