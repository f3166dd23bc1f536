package collector

import (
	"crypto/sha256"
	"encoding/binary"

	"assent/sinks"
)

// isNew claims the event's ID, if it leaves a record and the sender gave it one.
// False: it is stored, or about to be for another request or for an event before
// it in this one. It is then accepted without records of its own.
func (c *Collector) isNew(x *exchange, e *Event, res *Result) bool {
	x.one.id = sinks.ID{}
	if c.o.Dedup == nil || !x.one.passes() {
		return true
	}
	id := c.eventID(x, e)
	if id == (sinks.ID{}) {
		return true
	}
	switch c.o.Dedup.Claim(id) {
	case sinks.First:
		x.one.id, x.claims = id, append(x.claims, id)
		return true
	case sinks.Pending:
		x.twins = append(x.twins, id)
	}
	res.Outcome = Accepted
	x.doubles++
	return false
}

// unclaim gives the claim of the event at hand back: it is refused after all.
func (c *Collector) unclaim(x *exchange) {
	if x.one.id == (sinks.ID{}) {
		return
	}
	last := len(x.claims) - 1
	c.o.Dedup.Settle(x.claims[last:], false)
	x.claims = x.claims[:last]
}

// settle ends the request's claims.
func (c *Collector) settle(x *exchange, stored bool) {
	if len(x.claims) > 0 {
		c.o.Dedup.Settle(x.claims, stored)
		x.claims = x.claims[:0]
	}
}

// await waits for what other requests are about to store of this one's events.
// Its own claims are settled, so nobody waits for it meanwhile. Where one of them
// fails the sender is asked to come again, and its next attempt is the first.
func (c *Collector) await(x *exchange) *RequestError {
	for _, id := range x.twins {
		c.m.twins.Inc()
		if !c.o.Dedup.Wait(id) {
			return errSink
		}
	}
	return nil
}

// passes reports whether the event at hand leaves a record.
func (one *judged) passes() bool {
	for i := range one.decision.Plans {
		if one.decision.Plans[i].Pass {
			return true
		}
	}
	return false
}

// eventID is the keyed hash of source, subject and messageId; zero without a
// messageId. The subject is the one that the request proves, so that nobody else
// can take an event's place; else whom the event names; else nobody.
func (c *Collector) eventID(x *exchange, e *Event) (id sinks.ID) {
	message := scalarText(e.peek.get(peekMessageID))
	if len(message) == 0 {
		return id
	}
	const proven, named, nobody = 'p', 'n', '-'
	b := append(x.scratch[:0], c.o.DedupKey.Secret[:]...)
	b = appendPart(b, x.source.ID)
	if s := x.person.Subject; !s.IsZero() {
		b = appendPart(append(b, proven, byte(s.Kind)), s.ID)
	} else if name := scalarText(e.peek.get(peekAnonymousID)); len(name) > 0 {
		b = appendPart(append(b, named), name)
	} else {
		b = append(b, nobody)
	}
	b = appendPart(b, message)
	x.scratch = b
	sum := sha256.Sum256(b)
	copy(id[:], sum[:])
	return id
}

func appendPart[T string | []byte](b []byte, part T) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(part)))
	return append(b, part...)
}
