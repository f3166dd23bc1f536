package collector

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync/atomic"

	"github.com/valyala/fasthttp"
)

// A body is read by the handler and not before it, once it is known that there is
// a sink, a source, a token and memory for it. fasthttp has then read at most the
// first 8 KiB, and a single byte where the sink admits nothing.

const (
	// freeBody is how much of a body, and of what becomes of its events, every
	// connection may have without asking.
	freeBody = 64 << 10
	// prefetched is the length up to which fasthttp has a body whole.
	prefetched = 8 << 10
	// smallBody is the most that routes without events take, so that no shortage
	// of memory touches a choice.
	smallBody = freeBody
)

// budget is the memory that bodies and their events may take together.
type budget struct {
	limit int64
	used  atomic.Int64
}

func (b *budget) take(n int64) bool {
	if b.used.Add(n) <= b.limit {
		return true
	}
	b.used.Add(-n)
	return false
}

// fits reports whether a body of n bytes would find room now. It takes nothing: who
// announces a long body may never send it.
func (b *budget) fits(n int) bool { return n <= freeBody || b.used.Load()+int64(n) <= b.limit }

// What an event takes beside its own bytes, and each record made of it: TestEventCost.
const (
	eventCost     = 640
	recordCost    = 1280
	recordHeaders = 15  // at most
	recordArena   = 512 // beside the bytes of the event and what is supplied
)

// reserve takes the memory for what the request's events will become: for each a
// record of every recipient, with what is supplied of the request.
func (x *exchange) reserve() *RequestError {
	n := len(x.payload.Events) * (recordCost + len(x.req.UserAgent))
	for i := range x.payload.Events {
		n += len(x.payload.Events[i].Raw)
	}
	n = n*len(x.policy.Recipients()) + len(x.payload.Events)*eventCost
	if !x.take(n) {
		return errOverloaded
	}
	return nil
}

// take takes n bytes from the budget until the request ends, unless they are so
// few that it may have them without asking.
func (x *exchange) take(n int) bool {
	switch {
	case n <= freeBody:
		return true
	case !x.memory.take(int64(n)):
		return false
	}
	x.borrowed += n
	return true
}

// grow returns buf with room for n bytes, or false when there is no memory for
// them. Taken is what was taken for the buffer so far. What a request takes is given
// back when it ends.
func (x *exchange) grow(buf []byte, n int, taken *int) ([]byte, bool) {
	if n <= cap(buf) {
		return buf, true
	}
	if n > freeBody {
		if !x.memory.take(int64(n - *taken)) {
			return buf, false
		}
		x.borrowed += n - *taken
		*taken = n
	}
	return append(make([]byte, 0, n), buf...), true
}

var (
	errOverloaded = &RequestError{ReasonOverloaded, ""}
	errSink       = &RequestError{ReasonUnavailable, ""}
	errRate       = &RequestError{ReasonRateLimited, ""}
)

// takesEvents reports whether a path, as it came, is one of a dialect.
func (c *Collector) takesEvents(uri []byte) bool {
	path, _, _ := bytes.Cut(uri, []byte{'?'})
	route, _ := c.mounts.cut(path)
	e, _ := c.routes.find(route)
	return e != nil && e.events
}

// headerReceived sees each request before its body is read.
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

// readBody takes the body from the connection. Once it returns nil, the next
// request may be read from there.
func (c *Collector) readBody(x *exchange, limit int) *RequestError {
	switch {
	case x.wire == nil:
		return nil
	case x.announced > limit:
		return &RequestError{ReasonTooLarge, ""}
	case !c.memory.fits(x.announced):
		return errOverloaded
	}
	// Memory is taken for what has come and as much again, not for what is announced.
	most, room := limit+1, 4<<10
	if x.announced >= 0 {
		most, room = x.announced, min(x.announced, freeBody)
	}
	b, taken := x.raw[:0], 0
	for {
		var ok bool
		if b, ok = x.grow(b, room, &taken); !ok {
			return errOverloaded
		}
		n, err := x.wire.Read(b[len(b):min(cap(b), limit+1)])
		b = b[:len(b)+n]
		x.raw = b
		switch {
		case len(b) > limit:
			return &RequestError{ReasonTooLarge, ""}
		case errors.Is(err, io.EOF) && len(b) >= x.announced && (x.announced >= 0 || !x.conn.ended()):
			x.wire, x.req.Body = nil, b
			return nil
		case x.conn.evicted():
			return errOverloaded
		case err != nil:
			return wireError(err)
		case len(b) == cap(b):
			room = min(2*cap(b), most)
		}
	}
}

// wireError says why the rest of a request cannot be read.
func wireError(err error) *RequestError {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return &RequestError{ReasonTimeout, ""}
	}
	return &RequestError{ReasonUnreadable, "this is not an HTTP request that can be read"}
}
