package collector

import (
	"io"
	"net/netip"
	"time"
	"unsafe"

	"github.com/valyala/fasthttp"

	"assent/consent"
	"assent/geo"
	"assent/policy"
	"assent/redact"
	"assent/sinks"
)

// exchange is one request on its way. Exchanges are pooled, and what one person's
// request left in one must not reach another's: everything that belongs to a request
// is in state, which is zeroed as a whole; what is kept between requests is memory
// alone, in buffers, emptied.
type exchange struct {
	state
	buffers
	memory    *budget
	recordIDs ids
}

// state is what is known of one request.
type state struct {
	req    Request
	proven bool // the source showed its bearer token
	keyed  bool // header or query named a key

	client   netip.Addr // see clientAddr
	asserted bool       // a header says so
	traced   bool       // client was worked out

	encoding []byte // Content-Encoding as sent

	choices, idCookies int  // how many of each came
	namesake           bool // one of them came twice, or under its other name

	wire      io.Reader // the body as far as it was not read; nil once it was
	announced int       // its length; -1: in chunks
	conn      *lingerConn
	borrowed  int // bytes of the budget
	cost      cost

	circumstances
	judged judged // the event at hand

	fresh   string // a visitor id given out with this answer
	late    bool   // the batch is durable, and was to be delivered as well by now
	doubles int    // duplicates of stored or pending events

	watch stopwatch
}

// buffers are the memory an exchange keeps between requests.
type buffers struct {
	forwarding geo.Forwarding
	ans        Answer
	carried    []consent.Carried // signals of the request, not read yet
	payload    Payload
	results    []Result
	batch      sinks.Batch
	headers    []sinks.Header
	decision   policy.Decision // on the event at hand; its plans
	supply     redact.Supply
	tally      redact.Tally
	arena      []byte // clean bytes, keys, header values of the batch
	raw        []byte // body as it came
	body       []byte // decompressed body
	scratch    []byte
	ip         []byte // the client address as text
	stamp      []byte // the time of receipt as text

	eventIDs []sinks.ID    // of the events; zero: the event has none and is no duplicate
	states   []sinks.Claim // what was known of each ID; none without deduplication
	pending  []sinks.ID    // of events that other requests are about to store
	stored   []sinks.ID    // for finishDedup
	released []sinks.ID    // for finishDedup
}

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

// borrow gives a request its exchange. A request that may need much memory gets an
// exchange that has much, if there is one.
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

// giveBack takes the exchange back and, with it, the memory that its bodies took, but
// for as much as a long answer has until it is written. Few exchanges stay large: as
// many as there are connections could become so, one by one.
func (c *Collector) giveBack(x *exchange) {
	if n := len(x.ans.Body); n > freeBody && x.conn != nil {
		n = min(n, x.borrowed)
		x.conn.owe(n)
		x.borrowed -= n
	}
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
		x.buffers = buffers{}
	}
	c.pool.Put(x)
}

// reset makes the exchange ready for a request.
func (x *exchange) reset(p *inForce, now time.Time) {
	x.state = state{}
	x.policy, x.at, x.now = p, now, now
	x.empty()
	x.req.Received, x.ans.Status = now, 200
	x.stamp = sinks.AppendTime(x.stamp, now)
}

// empty lets go of everything that the buffers held.
func (b *buffers) empty() {
	f := &b.forwarding
	f.Forwarded, f.XForwardedFor, f.CDN = emptied(f.Forwarded), emptied(f.XForwardedFor), emptied(f.CDN)
	f.Country, f.Region = emptied(f.Country), emptied(f.Region)
	b.ans = Answer{Body: b.ans.Body[:0], Headers: emptied(b.ans.Headers), Cookies: emptied(b.ans.Cookies)}
	b.carried, b.results, b.headers = emptied(b.carried), emptied(b.results), emptied(b.headers)
	b.batch = sinks.Batch{Events: emptied(b.batch.Events), Records: emptied(b.batch.Records)}
	b.decision = policy.Decision{Plans: emptied(b.decision.Plans)}
	b.payload.empty()
	b.supply.Reset()
	b.tally.Reset()
	b.arena, b.raw, b.body, b.scratch, b.ip, b.stamp = b.arena[:0], b.raw[:0], b.body[:0], b.scratch[:0], b.ip[:0], b.stamp[:0]
	b.eventIDs, b.states, b.pending, b.stored, b.released = b.eventIDs[:0], b.states[:0], b.pending[:0], b.stored[:0], b.released[:0]
}

// emptied is a slice without elements whose memory refers to nothing.
func emptied[T any](s []T) []T {
	clear(s)
	return s[:0]
}

// cut is the first n elements; the others refer to nothing any more.
func cut[T any](s []T, n int) []T {
	clear(s[n:])
	return s[:n]
}

// exceeds reports whether a buffer is larger than that. Those of results, claims and
// the like grow with the events.
func (b *buffers) exceeds(bytes, events int) bool {
	return cap(b.headers)*int(unsafe.Sizeof(sinks.Header{})) > bytes || cap(b.raw) > bytes || cap(b.body) > bytes ||
		cap(b.arena) > bytes || cap(b.scratch) > bytes || cap(b.ans.Body) > bytes || cap(b.payload.Events) > events || cap(b.payload.Space) > bytes ||
		cap(b.payload.object.nodes)*int(unsafe.Sizeof(node{})) > bytes
}
