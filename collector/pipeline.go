package collector

import (
	"context"

	"assent/consent"
	"assent/policy"
	"assent/sinks"
)

// collect takes one request for events down the road.
func (c *Collector) collect(x *exchange, d Dialect) {
	x.watch.on = x.recordIDs.rng.Uint64()%timedEvery == 0
	if err := c.road(x, d); err != nil {
		c.finishDedup(x, false)
		c.refuseRequest(x, err)
	}
	if x.watch.on {
		c.m.observeSteps(&x.watch, c.o.Now())
	}
}

// road is the steps in their order. An error refuses the request.
func (c *Collector) road(x *exchange, d Dialect) *RequestError {
	c.begin(x, stepReceive)
	if err := c.receive(x, d); err != nil {
		return err
	}
	c.begin(x, stepLocate)
	c.locate(x)
	c.begin(x, stepConsent)
	c.consent(x)
	c.begin(x, stepClaim)
	c.claim(x)
	for i := range x.payload.Events {
		first := len(x.batch.Records)
		stage, reason := c.process(x, i)
		if reason != "" {
			x.results[i].refuse(reason)
			c.appendBadRow(x, stage, reason, x.payload.Events[i].Raw)
		}
		c.addEvent(x, i, first, reason == "")
		if err := x.count(first, storedBodies*c.o.Limits.Decompressed); err != nil {
			return err
		}
	}
	c.begin(x, stepCommit)
	if err := c.commit(x); err != nil {
		return err
	}
	c.begin(x, stepAnswer)
	c.answer(x, d)
	return nil
}

// process takes event i from decide to seal. A reason says that the event is refused,
// the stage at which step. A duplicate is accepted without records.
func (c *Collector) process(x *exchange, i int) (sinks.Stage, Reason) {
	e := &x.payload.Events[i]
	c.begin(x, stepDecide)
	if stage, reason := c.decide(x, e); reason != "" {
		return stage, reason
	}
	c.begin(x, stepDedup)
	if !c.isNew(x, i) {
		return "", ""
	}
	c.begin(x, stepRedact)
	first := len(x.batch.Records)
	x.offer()
	for k := range x.decision.Plans {
		plan := &x.decision.Plans[k]
		if !plan.Pass {
			continue
		}
		c.begin(x, stepRedact)
		clean, id, reason := c.redact(x, e, plan)
		if reason != "" {
			x.batch.Records = cut(x.batch.Records, first)
			return sinks.StageRedact, reason
		}
		c.begin(x, stepSeal)
		c.seal(x, e, plan, clean, id)
	}
	if len(x.batch.Records) == first {
		x.results[i].Outcome = Withheld
	}
	return "", ""
}

// locate finds the place of the one who sent the request.
func (c *Collector) locate(x *exchange) {
	x.fetched, x.hidden = isFetcher(x.req.Method, x.req.UserAgent), x.req.Anonymous
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

// consent finds what the person recorded, and the signals of the request.
func (c *Collector) consent(x *exchange) {
	c.person(x)
	c.adopt(x)
	c.visitor(x)
}

// decide finds what the policy allows of one event.
func (c *Collector) decide(x *exchange, e *Event) (sinks.Stage, Reason) {
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
		c.m.heard.count(&one.heard)
	}
	return stage, reason
}

// offer puts what Assent itself offers at the disposal of redact.
func (x *exchange) offer() {
	x.supply.Reset()
	for i, value := range x.offers(x.visitorID(), x.stamp, x.ip, x.req.UserAgent) {
		if len(value) > 0 {
			x.supply.SetBytes(i, value)
		}
	}
}

// redact cuts the event for one recipient. The id is the record's own, valid until the
// next event is cut.
func (c *Collector) redact(x *exchange, e *Event, plan *policy.Plan) (clean, id []byte, reason Reason) {
	x.room(x.passes(), len(e.Raw))
	id = x.recordIDs.next(x.req.Received)
	x.supply.SetBytes(offerMessageID, id)
	x.tally.Reset()
	start := len(x.arena)
	arena, err := plan.Append(x.arena, e.Raw, &x.supply, &x.tally)
	if err != nil {
		return nil, nil, jsonReason(err)
	}
	x.arena = arena
	x.policy.countRemoved(&x.tally)
	return x.since(start), id, ""
}

// commit stores the request's events as its answer will promise, and waits for those
// that other requests store. Requests that wait for Kafka hold their connections for as
// long as Kafka is away: they may not have them all.
func (c *Collector) commit(x *exchange) *RequestError {
	if err := c.charge(x, len(x.payload.Events)); err != nil {
		return err
	}
	promise := x.promise()
	if promise == sinks.Delivered || len(x.pending) > 0 && x.source.Promise == sinks.Delivered {
		defer c.waiting.Add(-1)
		if c.waiting.Add(1) > int64(max(1, c.o.Limits.Connections/4)) {
			return errOverloaded
		}
	}
	err := c.commitBatch(context.Background(), x, promise)
	c.finishDedup(x, err == nil || x.late)
	if err == nil {
		err = c.waitForOthers(x)
	}
	return err
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

// begin ends the step at hand and begins another.
func (c *Collector) begin(x *exchange, s step) {
	if x.watch.on {
		x.watch.turn(s, c.o.Now())
	}
}
