package collector

import (
	"context"
	"io"
	"net/netip"
	"time"
	"unsafe"

	"assent/consent"
	"assent/geo"
	"assent/policy"
	"assent/redact"
	"assent/sinks"
)

// exchange is one request on its way: pooled, reset between requests.
type exchange struct {
	req    Request
	ans    Answer
	source *Source
	proven bool // the source showed its bearer token
	keyed  bool // header or query named a key

	encoding []byte // Content-Encoding as sent

	wire      io.Reader // the body as far as it was not read; nil once it was
	announced int       // its length; -1: in chunks
	conn      *lingerConn
	memory    *budget
	borrowed  int // bytes of it

	policy *inForce
	place  place
	person *consent.State
	signal consent.Signals

	events  []Event
	results []Result
	one     judged
	batch   sinks.Batch
	headers []sinks.Header
	arena   []byte // clean bytes, keys, header values of the batch
	raw     []byte // body as it came
	body    []byte // decompressed body
	scratch []byte
	ip      []byte // the client address as text
	stamp   []byte // the time of receipt as text
	fresh   string // a visitor id given out with this answer
	ids     ids

	names   []sinks.ID    // of the events; zero: not to be told from others
	claims  []sinks.Claim // what was known of them; none without deduplication
	twins   []sinks.ID    // of events that others are about to store
	kept    []sinks.ID    // claims that came to something, while they are settled
	freed   []sinks.ID    // and those that did not
	late    bool          // the batch is durable, and was to be delivered as well by now
	doubles int           // events that are stored already, twins among them
}

// place is where a person is, as far as known, and the law that follows.
type place struct {
	at         geo.Jurisdiction
	unreadable bool
	regime     *policy.Regime
}

// judged is what is known of the event at hand. Reused.
type judged struct {
	place    place
	kind     policy.EventKind
	res      consent.Resolution
	signal   consent.Signals
	receipt  string
	subject  consent.Subject // whose choices bear on it; its bytes are the request's
	also     consent.Subject // a second person's, where the request proved two
	mark     uint64          // of what was known of the subject
	decision policy.Decision
	supply   redact.Supply
	tally    redact.Tally
}

// collect takes one request down the road of an event.
func (c *Collector) collect(x *exchange, d Dialect) {
	if err := c.receive(x, d); err != nil {
		c.refuseRequest(x, err)
		return
	}
	c.locate(x)
	c.consent(x)
	c.claim(x)
	for i := range x.events {
		res, first := &x.results[i], len(x.batch.Records)
		switch e := &x.events[i]; {
		case e.Reason != "":
			c.badRow(x, StageReceive, e, res.refuse(e.Reason))
		case !c.decide(x, e, res):
			c.badRow(x, StageDecide, e, res)
		case !c.isNew(x, i, res):
		case !c.redact(x, e, res):
			c.badRow(x, StageRedact, e, res)
		}
		c.enclose(x, i, first, res.Outcome != Refused)
	}
	if err := c.store(x); err != nil {
		c.refuseRequest(x, err)
		return
	}
	c.answer(x, d)
}

// store makes good the promise for the request's events, and waits for those that
// others store. Requests that wait for Kafka hold their connections for as long as
// it is away: they may not have them all.
func (c *Collector) store(x *exchange) *RequestError {
	promise := x.promise()
	if promise == sinks.Delivered || len(x.twins) > 0 && x.source.Promise == sinks.Delivered {
		defer c.waiting.Add(-1)
		if c.waiting.Add(1) > int64(max(1, c.o.Limits.Connections/4)) {
			c.settle(x, false)
			return errOverloaded
		}
	}
	err := c.commit(context.Background(), x, promise)
	c.settle(x, err == nil || x.late)
	if err == nil {
		err = c.await(x)
	}
	return err
}

// receive lets the request in, takes its body and splits it into events.
func (c *Collector) receive(x *exchange, d Dialect) *RequestError {
	if err := c.enter(x); err != nil {
		return err
	}
	before := x.source
	if err := c.takeBody(x, c.o.Limits.Body, c.o.Limits.Decompressed); err != nil {
		return err
	}
	events, err := d.Events(&x.req, x.events[:0])
	x.events = events
	if err != nil {
		return asRequestError(err)
	}
	if err := c.admit(x); err != nil {
		return err
	}
	if x.source != before {
		if err := c.share(x); err != nil {
			return err
		}
	}
	if len(x.events) == 0 {
		return &RequestError{ReasonEmpty, "the body holds no event"}
	}
	if err := x.reserve(); err != nil {
		return err
	}
	for i := range x.events {
		x.events[i].read(c.o.Limits.Event)
		x.results = append(x.results, Result{ID: x.events[i].peek.get(peekMessageID)})
	}
	return nil
}

// locate finds the place of the one who sent the request.
func (c *Collector) locate(x *exchange) {
	if x.source.Kind == KindServer {
		// A server's own address says nothing of the person it speaks of.
		x.place = c.placeOf(x, netip.Addr{})
		return
	}
	addr := c.clientAddr(x)
	x.place = c.placeOf(x, addr)
	if addr.IsValid() {
		x.ip = addr.AppendTo(x.ip[:0])
	}
}

// clientAddr is the address of the device behind the trusted proxies; the zero
// Addr where they name none that can be read.
func (c *Collector) clientAddr(x *exchange) netip.Addr {
	addr, _ := c.proxies.Client(x.req.Peer, x.req.Forwarding)
	return addr
}

func (c *Collector) placeOf(x *exchange, addr netip.Addr) place {
	var p place
	if addr.IsValid() {
		at, err := c.o.Locator.Locate(addr)
		p.at, p.unreadable = at, err != nil
		if err != nil {
			c.m.unlocated.Inc()
		}
	}
	p.regime = x.policy.Regime(p.at, x.req.Received)
	return p
}

// consent finds what the person recorded, and the signals of the request.
func (c *Collector) consent(x *exchange) {
	c.person(x)
	c.visitor(x)
}

func (c *Collector) person(x *exchange) {
	x.person = c.o.Registry.Identify(x.req.ChoiceCookie, x.req.IDCookie, x.req.SubjectToken).In(x.policy.Purposes())
	x.signal = consent.Signals{}
	x.signal.SetGPC(x.req.GPC)
}

// decide finds what the policy allows of one event. False: refused.
func (c *Collector) decide(x *exchange, e *Event, res *Result) bool {
	one := &x.one
	switch raw := e.peek.get(peekType); {
	case raw == nil:
		res.refuse(ReasonTypeMissing)
		return false
	case len(raw) <= 2 || raw[0] != '"':
		res.refuse(ReasonTypeInvalid)
		return false
	default:
		one.kind.Type = text(raw)
	}
	one.kind.Event = nil
	if raw := e.peek.get(peekEvent); raw != nil && string(raw) != "null" {
		if raw[0] != '"' {
			res.refuse(ReasonEventInvalid)
			return false
		}
		one.kind.Event = text(raw)
	}

	if raw := e.peek.get(peekAnonymousID); raw != nil && (raw[0] == '{' || raw[0] == '[' || raw[0] == 't' || raw[0] == 'f') {
		// What names nobody would pass by the choice linked to the id it means.
		res.refuse(ReasonIDInvalid)
		return false
	}
	one.place = x.place
	if x.mayName(x.source.MayNameAddress) {
		one.place = c.placeOf(x, e.peek.address())
	}
	person := c.personOf(x, e)
	one.receipt = person.Receipt
	one.signal = x.signal
	if raw := e.peek.get(peekPreferences); raw != nil {
		x.policy.Purposes().SegmentPreferences(raw, &one.signal)
	}
	one.signal.Unreadable = one.signal.Unreadable || one.place.unreadable
	one.res = consent.Resolve(one.place.regime.Rules, person, &one.signal, c.eventTime(x, e), x.req.Received)
	x.policy.Decide(policy.Source{Audience: x.source.Audience}, one.place.regime, &one.res, one.kind, &one.decision)
	x.policy.countDecisions(one.place.regime, consent.PurposeSet(one.decision.Allowed))
	return true
}

// redact cuts the event for each recipient it may reach and seals what is left.
func (c *Collector) redact(x *exchange, e *Event, res *Result) bool {
	records := len(x.batch.Records)
	c.offer(x)
	passes := x.one.passes()
	for i := range x.one.decision.Plans {
		plan := &x.one.decision.Plans[i]
		if !plan.Pass {
			continue
		}
		x.room(passes, len(e.Raw))
		id := x.ids.next(x.req.Received)
		x.one.supply.SetBytes(offerMessageID, id)
		x.one.tally.Reset()
		start := len(x.arena)
		clean, err := plan.Append(x.arena, e.Raw, &x.one.supply, &x.one.tally)
		if err != nil {
			x.batch.Records = x.batch.Records[:records]
			res.refuse(jsonReason(err))
			return false
		}
		x.arena = clean
		x.policy.countRemoved(&x.one.tally)
		c.seal(x, e, plan, x.since(start), id)
	}
	res.Outcome = Accepted
	if len(x.batch.Records) == records {
		res.Outcome = Withheld
	}
	return true
}

// promise is what the answer will stand for: that of the source where an event
// leaves a record. Bad rows are only for who keeps this running.
func (x *exchange) promise() sinks.Promise {
	for i := range x.batch.Events {
		if x.batch.Events[i].Records > 0 && x.results[i].Outcome == Accepted {
			return x.source.Promise
		}
	}
	return sinks.Durable
}

// commit makes the batch's records durable together, and delivered where that is
// promised. A request gives no deadline of its own: a sink bounds its wait, and
// what it may already have written is better acknowledged than sent twice.
func (c *Collector) commit(ctx context.Context, x *exchange, promise sinks.Promise) *RequestError {
	if len(x.batch.Records) == 0 {
		return nil
	}
	x.batch.Promise = promise
	if err := c.o.Sink.Commit(ctx, &x.batch); err != nil {
		c.m.commitFailed(err)
		x.late = promise == sinks.Delivered && sinks.ReasonOf(err) == sinks.ReasonTimeout
		if sinks.ClassOf(err) == sinks.TooLarge {
			return &RequestError{ReasonTooLarge, "a record is larger than the sink takes"}
		}
		return &RequestError{ReasonUnavailable, ""}
	}
	return nil
}

// answer tells the sender what became of its events.
func (c *Collector) answer(x *exchange, d Dialect) {
	c.m.results(x.source.Kind, x.results, x.doubles)
	x.ans.Status = 200
	d.Answer(&x.req, &x.ans, x.results)
}

func (r *Result) refuse(reason Reason) *Result {
	r.Outcome, r.Reason = Refused, reason
	return r
}

// mayName reports whether a right given in the configuration holds here: only
// for a server that showed its token.
func (x *exchange) mayName(right bool) bool {
	return right && x.proven && x.source.Kind == KindServer
}

// personOf is whose event it is: the proven cookie or token; else the tracker's
// own anonymous id once a choice was linked to it. The subject named is also who may
// yet take back what the event is judged by: an id that nobody linked so far, or the
// one that the answer to this request gives out.
func (c *Collector) personOf(x *exchange, e *Event) *consent.State {
	one := &x.one
	one.subject, one.also, one.mark = x.person.Subject, x.person.Also, x.person.Mark
	if !one.subject.IsZero() {
		return x.person
	}
	id := scalarText(e.peek.get(peekAnonymousID))
	if len(id) == 0 {
		if x.fresh != "" {
			one.subject = consent.Subject{Kind: consent.Visitor, ID: x.fresh}
			one.mark = c.o.Registry.Mark(one.subject)
		}
		return x.person
	}
	one.subject = consent.Subject{Kind: consent.Anonymous, ID: unsafe.String(unsafe.SliceData(id), len(id))}
	linked := c.o.Registry.Lookup(one.subject)
	one.mark = linked.Mark
	return consent.Combine(x.person, linked.In(x.policy.Purposes()))
}

// eventTime is when an event happened, for judging: receipt, unless the source
// may name it. One that lies ahead is receipt; one that cannot be read is before
// every grant.
func (c *Collector) eventTime(x *exchange, e *Event) time.Time {
	raw := e.peek.get(peekTimestamp)
	if raw == nil || !x.mayName(x.source.MayNameTime) {
		return x.req.Received
	}
	at, err := time.Parse(time.RFC3339Nano, string(text(raw)))
	switch {
	case err != nil:
		return time.Unix(0, 0)
	case at.After(x.req.Received):
		return x.req.Received
	}
	return at
}
