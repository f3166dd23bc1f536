package collector

import (
	"context"
	"net/netip"
	"unsafe"

	"assent/consent"
	"assent/sinks"
)

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
		first := len(x.batch.Records)
		res := &x.results[i]
		if stage := c.process(x, i, res); stage != "" {
			c.badRow(x, stage, &x.events[i], res)
		}
		c.enclose(x, i, first, res.Outcome != Refused)
		if err := x.count(first, storedBodies*c.o.Limits.Decompressed); err != nil {
			c.settle(x, false)
			c.refuseRequest(x, err)
			return
		}
	}
	if err := c.charge(x, len(x.events)); err != nil {
		c.settle(x, false)
		c.refuseRequest(x, err)
		return
	}
	if err := c.store(x); err != nil {
		c.refuseRequest(x, err)
		return
	}
	c.answer(x, d)
}

// process takes one event from decide to seal. The stage is where it was refused.
func (c *Collector) process(x *exchange, i int, res *Result) Stage {
	e := &x.events[i]
	if reason, stage := c.decide(x, e); reason != "" {
		res.refuse(reason)
		return stage
	}
	if !c.isNew(x, i, res) {
		return ""
	}
	if reason := c.redact(x, e, res); reason != "" {
		res.refuse(reason)
		return StageRedact
	}
	return ""
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
	if err := c.charge(x, len(x.events)); err != nil {
		return err
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
	x.fetched = isFetcher(x.req.Method, x.req.UserAgent)
	addr := c.clientAddr(x)
	if addr.IsValid() {
		x.ip = addr.AppendTo(x.ip[:0])
	}
	var err error
	if x.place, err = x.senders(c.o.Locator, addr, &x.forwarding); err != nil {
		c.m.unlocated.Inc()
	}
	if x.place.disputed[0] != nil {
		c.m.disagree.Inc()
	}
}

// clientAddr is the address of the device behind the trusted proxies; the zero
// Addr where they name none that can be read.
func (c *Collector) clientAddr(x *exchange) netip.Addr {
	addr, _ := c.proxies.Client(x.req.Peer, x.forwarding)
	return addr
}

// consent finds what the person recorded, and the signals of the request.
func (c *Collector) consent(x *exchange) {
	c.person(x)
	c.visitor(x)
}

func (c *Collector) person(x *exchange) {
	x.person = c.o.Registry.Identify(x.req.ChoiceCookie, x.req.IDCookie, x.req.SubjectToken).In(x.policy.Purposes())
	for _, carried := range x.carried {
		consent.Read(x.policy.Purposes(), carried, &x.signals)
	}
}

// decide finds what the policy allows of one event.
func (c *Collector) decide(x *exchange, e *Event) (Reason, Stage) {
	one := &x.judged
	*one = judged{}
	one.circumstances = x.circumstances
	if e.Reason == "" {
		if addr, may := one.namesAddress(x.proven, e); may {
			var err error
			if one.place, err = one.locate(c.o.Locator, addr); err != nil {
				c.m.unlocated.Inc()
			}
		}
		one.at = one.namesTime(x.proven, e)
		c.personOf(x, e)
	}
	reason, stage := one.judge(e, &x.decision)
	if reason == "" {
		x.policy.countDecisions(&one.place, consent.PurposeSet(x.decision.Allowed))
	}
	return reason, stage
}

// redact cuts the event for each recipient it may reach and seals what is left.
func (c *Collector) redact(x *exchange, e *Event, res *Result) Reason {
	records := len(x.batch.Records)
	x.supply.Reset()
	for i, value := range x.offers(x.visitorID(), x.stamp, x.ip, x.req.UserAgent) {
		if len(value) > 0 {
			x.supply.SetBytes(i, value)
		}
	}
	passes := x.passes()
	for i := range x.decision.Plans {
		plan := &x.decision.Plans[i]
		if !plan.Pass {
			continue
		}
		x.room(passes, len(e.Raw))
		id := x.ids.next(x.req.Received)
		x.supply.SetBytes(offerMessageID, id)
		x.tally.Reset()
		start := len(x.arena)
		clean, err := plan.Append(x.arena, e.Raw, &x.supply, &x.tally)
		if err != nil {
			x.batch.Records = cut(x.batch.Records, records)
			return jsonReason(err)
		}
		x.arena = clean
		x.policy.countRemoved(&x.tally)
		c.seal(x, e, plan, x.since(start), id)
	}
	res.Outcome = Accepted
	if len(x.batch.Records) == records {
		res.Outcome = Withheld
	}
	return ""
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
	c.cookies(x)
	c.noteAliases(x)
	x.ans.Status = 200
	d.Answer(&x.req, &x.ans, x.results)
}

func (r *Result) refuse(reason Reason) *Result {
	r.Outcome, r.Reason = Refused, reason
	return r
}

// personOf finds whose event it is: who proved an id by cookie or token; else whoever
// a choice linked the tracker's own anonymous id to. The id that an event names beside
// a proven one narrows: its holder may have refused on another device. The subjects are
// those who may yet take back what the event is judged by, an id that nobody linked so
// far and one that the answer to this request gives out among them.
func (c *Collector) personOf(x *exchange, e *Event) {
	one, registry := &x.judged, c.o.Registry
	n := 0
	add := func(s consent.Subject) {
		if !s.IsZero() && n < len(one.subjects) {
			one.subjects[n] = s
			n++
		}
	}
	proven := x.person.Subject
	add(proven)
	add(x.person.Also)
	for _, class := range x.person.Classes {
		add(class)
	}
	one.mark = x.person.Mark // of all these
	if x.fresh != "" {
		fresh := consent.Subject{Kind: consent.Visitor, ID: x.fresh}
		one.mark = joined(registry, n, one.mark, registry.Mark(fresh))
		add(fresh)
	}
	id := scalarText(e.peek.get(peekAnonymousID))
	if len(id) == 0 {
		return
	}
	named := consent.Subject{Kind: consent.Anonymous, ID: unsafe.String(unsafe.SliceData(id), len(id))}
	known := registry.Lookup(named)
	one.mark = joined(registry, n, one.mark, known.Mark)
	add(named)
	if proven.IsZero() {
		one.person = consent.Combine(x.person, known.In(x.policy.Purposes()))
	} else {
		one.person = consent.Narrow(x.person, known)
	}
}

// joined is the mark of n subjects and one more.
func joined(r *consent.Registry, n int, mark, more uint64) uint64 {
	if n == 0 {
		return more
	}
	return r.JoinMarks(mark, more)
}
