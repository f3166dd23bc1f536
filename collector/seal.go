package collector

import (
	"context"
	"strconv"
	"time"
	"unsafe"

	"assent/consent"
	"assent/policy"
	"assent/redact"
	"assent/sinks"
)

// The record's headers that never change (CloudEvents 1.0, Kafka protocol
// binding, binary mode).
var (
	valueSpecVersion = []byte("1.0")
	valueJSON        = []byte("application/json")
	valueDataSchema  = []byte("urn:assent:event:1")
)

// ceTypes are the Segment spec's types. Another type is the sender's text and
// has no place in a header.
var ceTypes = map[string][]byte{
	"track": []byte("assent.track"), "identify": []byte("assent.identify"), "page": []byte("assent.page"),
	"screen": []byte("assent.screen"), "group": []byte("assent.group"), "alias": []byte("assent.alias"),
}

var ceOther = []byte("assent.other")

// The headers that judging again may change.
const (
	headerID       = "ce_id"
	headerPurposes = "privacy-purposes"
	headerReceipt  = "privacy-receipt"
	headerRemoved  = "privacy-removed"
)

// maxCEID bounds a sender's message id used as ce_id.
const maxCEID = 128

// seal makes the record of clean bytes: topic, key, CloudEvents headers and the
// decision stamp of the contract.
func (c *Collector) seal(x *exchange, e *Event, plan *policy.Plan, clean []byte, id []byte) {
	one := &x.judged
	key := x.visitorKey(e, plan, clean)
	first := len(x.headers)
	add := func(name string, value []byte) {
		x.headers = append(x.headers, sinks.Header{Key: name, Value: value})
	}
	add("ce_specversion", valueSpecVersion)
	if own := clientID(&e.peek); key != nil && own != nil && plan.OwnID() {
		add(headerID, x.keep(own))
	} else {
		add(headerID, x.keep(id))
	}
	add("ce_source", x.source.urn)
	add("ce_type", ceType(one.kind.Type))
	add("ce_time", x.stamp)
	add("ce_dataschema", valueDataSchema)
	add("content-type", valueJSON)

	start := len(x.arena)
	x.arena = one.place.at.AppendTo(x.arena)
	add("privacy-jurisdiction", x.since(start))
	add("privacy-regime", x.keepString(one.place.regime.Header()))
	start = len(x.arena)
	x.arena = x.policy.appendNames(x.arena, plan.Purposes)
	add(headerPurposes, x.since(start))
	add("privacy-policy", x.keepString(x.policy.stamp))
	add("privacy-policy-hash", x.keepString(x.policy.hash))
	if key != nil && one.person.Receipt != "" {
		add(headerReceipt, x.keepString(one.person.Receipt))
	}
	start = len(x.arena)
	x.arena = strconv.AppendInt(x.arena, int64(x.tally.Removed), 10)
	add(headerRemoved, x.since(start))
	if one.heard.Present != 0 {
		start = len(x.arena)
		x.arena = one.heard.Present.AppendTo(x.arena)
		add("privacy-signals", x.since(start))
	}
	if x.tally.Days > 0 {
		start = len(x.arena)
		x.arena = sinks.AppendTime(x.arena, x.req.Received.Add(time.Duration(x.tally.Days)*24*time.Hour))
		add("privacy-expires", x.since(start))
	}
	last := len(x.headers)
	x.batch.Records = append(x.batch.Records, sinks.Record{
		Topic: plan.Recipient.Topic, Key: key, Value: clean, Headers: x.headers[first:last:last],
	})
}

// visitorKey is the visitor id as this recipient receives it, else nil: what is
// not in the value must not be in the key.
func (x *exchange) visitorKey(e *Event, plan *policy.Plan, clean []byte) []byte {
	var id []byte
	switch plan.Visitor() {
	case policy.IDWhole:
		raw := e.peek.get(peekAnonymousID)
		if raw == nil {
			return x.visitorID()
		}
		id = scalarText(raw)
	case policy.IDReduced:
		id = reducedID(clean)
	}
	if len(id) > 0 {
		return x.keep(id)
	}
	return nil
}

// reducedID is the visitor id as clean bytes hold it, nil where they hold none.
func reducedID(clean []byte) []byte {
	var span [1]redact.Span
	if visitorFinder.Find(clean, span[:]) != nil || span[0].Start == span[0].End {
		return nil
	}
	return scalarText(span[0].Of(clean))
}

// addEvent adds event i, whose records begin at first, to the batch: how many records
// there are and, where some may have to wait, by what the event was judged.
func (c *Collector) addEvent(x *exchange, i, first int, judged bool) {
	one := &x.judged
	x.batch.Events = append(x.batch.Events, sinks.Event{Records: len(x.batch.Records) - first})
	last := &x.batch.Events[len(x.batch.Events)-1]
	j := &last.Provenance
	j.Source = x.source.ID
	if !judged || last.Records == 0 {
		return
	}
	if len(x.states) > 0 && x.states[i] == sinks.First {
		last.ID = x.eventIDs[i]
	}
	if x.policy.Withdrawable(x.decision.Allowed) {
		start := len(x.arena)
		x.arena = c.o.Registry.SealSubjects(x.arena, one.subjects[:], x.recordIDs.rng)
		if len(x.arena) > start {
			j.Subject, j.Snapshot = x.since(start), one.snapshot
		}
	}
	start := len(x.arena)
	x.arena = one.place.at.AppendTo(x.arena)
	place := x.since(start)
	j.Place = unsafe.String(unsafe.SliceData(place), len(place))
	j.At, j.Policy = x.req.Received.UnixMilli(), x.policy.hash
	j.Purposes, j.Allowed, j.Shared = uint64(x.decision.Event), x.decision.Allowed, x.decision.Shared
}

var visitorFinder = redact.NewFinder("anonymousId")

// clientID is the sender's messageId where it can stand in a header: printable
// ASCII of a sane length.
func clientID(p *Peek) []byte {
	id := text(p.get(peekMessageID))
	if len(id) == 0 || len(id) > maxCEID {
		return nil
	}
	for _, b := range id {
		if b <= ' ' || b > '~' {
			return nil
		}
	}
	return id
}

func ceType(t []byte) []byte {
	if v := ceTypes[string(t)]; v != nil {
		return v
	}
	return ceOther
}

// keep copies bytes into the arena, whose parts live as long as the batch.
func (x *exchange) keep(b []byte) []byte {
	start := len(x.arena)
	x.arena = append(x.arena, b...)
	return x.since(start)
}

func (x *exchange) keepString(s string) []byte {
	start := len(x.arena)
	x.arena = append(x.arena, s...)
	return x.since(start)
}

func (x *exchange) since(start int) []byte { return x.arena[start:len(x.arena):len(x.arena)] }

// room makes room in headers and arena for the next record, of an event so long. A slice
// that grew would be copied while the records before hold on to the old one. So a new
// slice is begun, with room for that many records of each event that is left.
func (x *exchange) room(records, event int) {
	left := x.payload.Events[min(len(x.batch.Events), len(x.payload.Events)):]
	records *= max(1, len(left))
	if cap(x.headers)-len(x.headers) < recordHeaders {
		x.headers = make([]sinks.Header, 0, max(records*recordHeaders, min(2*cap(x.headers), keepHeaders)))
	}
	supplied := recordArena + len(x.req.UserAgent)
	if need := supplied + 2*event; cap(x.arena)-len(x.arena) < need {
		n := records * supplied
		for i := range left {
			n += records / len(left) * len(left[i].Raw)
		}
		x.arena = make([]byte, 0, max(need, n, min(2*cap(x.arena), keepBytes)))
	}
}

// commitBatch makes the batch's records durable together, and delivered where that is
// promised. A request gives no deadline of its own: a sink bounds its wait, and
// what it may already have written is better acknowledged than sent twice.
func (c *Collector) commitBatch(ctx context.Context, x *exchange, promise sinks.Promise) *RequestError {
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

// visitorID is the id of the person the request proves or was given now, nil where
// there is none.
func (x *exchange) visitorID() []byte {
	switch {
	case x.hidden:
		return nil
	case x.person.Subject.Kind == consent.Visitor:
		return x.keepString(x.person.Subject.ID)
	case x.fresh != "":
		return x.keepString(x.fresh)
	}
	return nil
}
