package collector

import (
	"crypto/sha256"
	"encoding/binary"

	"assent/sinks"
)

// claim claims the IDs of the request's events, all at once. An event without a
// message id has none.
func (c *Collector) claim(x *exchange) {
	if c.o.Dedup == nil {
		return
	}
	x.names, x.claims = x.names[:0], x.claims[:0]
	for i := range x.events {
		var id sinks.ID
		if e := &x.events[i]; e.Reason == "" {
			id = c.eventID(x, e)
		}
		x.names, x.claims = append(x.names, id), append(x.claims, sinks.First)
	}
	c.o.Dedup.Claim(x.names, x.claims)
}

// isNew reports whether event i is to be stored. False: it is stored, or about to
// be for another request or for an event before it in this one. It is then
// accepted without records of its own. One that leaves none anyway is its own
// business.
func (c *Collector) isNew(x *exchange, i int, res *Result) bool {
	if len(x.claims) == 0 || x.claims[i] == sinks.First || x.passes() == 0 {
		return true
	}
	if x.claims[i] == sinks.Pending {
		switch own := x.claimant(i); {
		case own < 0:
			x.twins = append(x.twins, x.names[i])
		case x.batch.Events[own].ID != x.names[i]: // it left nothing
			x.claims[own], x.claims[i] = sinks.Pending, sinks.First
			return true
		}
	}
	res.Outcome = Accepted
	x.doubles++
	return false
}

// claimant is the event of this request that has the claim on the ID of event i,
// -1 where another request has it.
func (x *exchange) claimant(i int) int {
	for k := range i {
		if x.claims[k] == sinks.First && x.names[k] == x.names[i] {
			return k
		}
	}
	return -1
}

// settle ends the request's claims: those of events that left a record, and the
// others. An event that is durable and waits for its delivery is stored: its
// retry must not bring it a second time.
func (c *Collector) settle(x *exchange, stored bool) {
	if len(x.claims) == 0 {
		return
	}
	x.kept, x.freed = x.kept[:0], x.freed[:0]
	for i, id := range x.names {
		switch {
		case x.claims[i] != sinks.First || id == sinks.ID{}:
		case stored && i < len(x.batch.Events) && x.batch.Events[i].ID == id:
			x.kept = append(x.kept, id)
		default:
			x.freed = append(x.freed, id)
		}
	}
	x.claims = x.claims[:0]
	c.o.Dedup.Settle(x.kept, true)
	c.o.Dedup.Settle(x.freed, false)
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

// passes is how many records the event at hand leaves.
func (x *exchange) passes() (n int) {
	for i := range x.decision.Plans {
		if x.decision.Plans[i].Pass {
			n++
		}
	}
	return n
}

// eventID is the keyed hash of source, subject and messageId; zero without a
// messageId. The subject is the one that the request proves, so that nobody else
// can take an event's place; else whom the event names; else nobody. For the same
// reason a server that showed its token is another sender than whoever knows the
// public key of its source.
func (c *Collector) eventID(x *exchange, e *Event) (id sinks.ID) {
	message := scalarText(e.peek.get(peekMessageID))
	if len(message) == 0 {
		return id
	}
	const server, proven, named, nobody = 's', 'p', 'n', '-'
	b := append(x.scratch[:0], c.o.DedupKey.Secret[:]...)
	b = appendPart(b, x.source.ID)
	if x.proven {
		b = append(b, server)
	}
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
