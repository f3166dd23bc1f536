package collector

import (
	"time"
	"unsafe"

	"github.com/valyala/fasthttp"

	"assent/geo"
	"assent/sinks"
)

const (
	// keepLarge exchanges keep what memory a large request made them take.
	keepLarge = 64
	// keepBytes bounds each buffer such an exchange keeps.
	keepBytes   = 512 << 10
	keepHeaders = keepBytes / int(unsafe.Sizeof(sinks.Header{}))
	// keepEvents bounds the events for which an exchange keeps room, keepFew for
	// which every one does.
	keepEvents, keepFew = 512, 128
)

// borrow gives the exchange of one request, one that has much memory to a request
// that may need it.
func (c *Collector) borrow(ctx *fasthttp.RequestCtx) *exchange {
	var x *exchange
	h := &ctx.Request.Header
	if n := h.ContentLength(); n > prefetched || n == -1 || len(h.ContentEncoding()) > 0 {
		select {
		case x = <-c.large:
		default:
		}
	}
	if x == nil {
		x = c.pool.Get().(*exchange)
	}
	x.reset(c.policy.Load(), c.o.Now())
	return x
}

// giveBack takes the exchange back and, with it, the memory that its bodies took.
// Few exchanges stay large: as many as there are connections could become so, one
// by one.
func (c *Collector) giveBack(x *exchange) {
	if x.borrowed > 0 {
		x.memory.used.Add(-int64(x.borrowed))
		x.borrowed = 0
	}
	if x.exceeds(freeBody, keepFew) {
		if !x.exceeds(keepBytes, keepEvents) {
			select {
			case c.large <- x:
				return
			default:
			}
		}
		x.raw, x.body, x.arena, x.headers, x.ans.Body = nil, nil, nil, nil, nil
		x.batch.Events, x.batch.Records, x.events, x.results, x.names, x.claims, x.twins, x.kept, x.freed = nil, nil, nil, nil, nil, nil, nil, nil, nil
	}
	c.pool.Put(x)
}

func (x *exchange) exceeds(bytes, events int) bool {
	return cap(x.headers)*int(unsafe.Sizeof(sinks.Header{})) > bytes || cap(x.raw) > bytes || cap(x.body) > bytes || cap(x.arena) > bytes || cap(x.ans.Body) > bytes || cap(x.events) > events
}

func (x *exchange) reset(p *inForce, now time.Time) {
	x.req = Request{Received: now, Forwarding: geo.Forwarding{
		Forwarded: x.req.Forwarding.Forwarded[:0], XForwardedFor: x.req.Forwarding.XForwardedFor[:0], CDN: x.req.Forwarding.CDN[:0],
	}}
	x.ans.Status, x.ans.ContentType = 200, ""
	x.ans.Body, x.ans.Headers, x.ans.Cookies = x.ans.Body[:0], x.ans.Headers[:0], x.ans.Cookies[:0]
	x.source, x.proven, x.keyed, x.encoding = nil, false, false, nil
	x.wire, x.conn, x.announced = nil, nil, 0
	x.policy, x.person, x.fresh = p, nil, ""
	x.ip, x.stamp = x.ip[:0], appendTime(x.stamp[:0], now)
	clear(x.events)
	x.events, x.results = x.events[:0], x.results[:0]
	x.names, x.claims, x.twins, x.doubles, x.late = x.names[:0], x.claims[:0], x.twins[:0], 0, false
	clear(x.batch.Records)
	clear(x.batch.Events)
	x.batch.Events, x.batch.Records, x.headers, x.arena = x.batch.Events[:0], x.batch.Records[:0], x.headers[:0], x.arena[:0]
}
