package collector

import (
	"io"
	"math/rand/v2"
	"net/netip"
	"time"
	"unsafe"

	"assent/consent/signals"
	"assent/geo"
	"assent/policy"
	"assent/rate"
	"assent/redact"
	"assent/sinks"
	"assent/uuid7"
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
	adopted bool   // a consent manager's choice was recorded, and its cookies are set

	watch stopwatch
}

// buffers are the memory an exchange keeps between requests.
type buffers struct {
	forwarding geo.Forwarding
	ans        Answer
	carried    []signals.Carried // signals of the request, not read yet
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

// exceeds reports whether a buffer is larger than that. Those of results, claims and
// the like grow with the events.
func (b *buffers) exceeds(bytes, events int) bool {
	return cap(b.headers)*int(unsafe.Sizeof(sinks.Header{})) > bytes || cap(b.raw) > bytes || cap(b.body) > bytes ||
		cap(b.arena) > bytes || cap(b.scratch) > bytes || cap(b.ans.Body) > bytes || cap(b.payload.Events) > events || cap(b.payload.Space) > bytes ||
		cap(b.payload.object.nodes)*int(unsafe.Sizeof(node{})) > bytes
}

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

// cost is what one request has taken of its sender's share so far.
type cost struct {
	entered bool // for events: it has to pay
	size    int  // of the body, on the wire or decompressed, whichever is more
	address rate.Bill
	source  rate.Bill
	stored  int // bytes of its records
	longest int // bytes of each event's longest record, added up
}

// ids makes UUIDv7 values without allocating. The random part comes from a ChaCha8
// stream seeded by the operating system: unique over a fleet, and nobody can tell one
// record's id from another's.
type ids struct {
	rng *rand.ChaCha8
	buf [uuid7.Len]byte
}

// next returns the id's text, valid until the next call.
func (g *ids) next(now time.Time) []byte {
	uuid7.Put(&g.buf, uint64(now.UnixMilli()), g.rng.Uint64(), g.rng.Uint64())
	return g.buf[:]
}
