package collector

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"assent/consent"
	"assent/keys"
	"assent/sinks"
)

// claim claims the IDs of the request's events, all at once. An event without a
// messageId has no ID.
func (c *Collector) claim(x *exchange) {
	if c.o.Dedup == nil {
		return
	}
	x.eventIDs, x.states = x.eventIDs[:0], x.states[:0]
	for i := range x.payload.Events {
		var id sinks.ID
		if e := &x.payload.Events[i]; e.Reason == "" {
			id = c.eventID(x, e, x.person.Subject)
		}
		x.eventIDs, x.states = append(x.eventIDs, id), append(x.states, sinks.First)
	}
	c.o.Dedup.Claim(x.eventIDs, x.states)
}

// isNew reports whether event i is to be stored. A duplicate is not: of an event that
// is stored, that another request is about to store, or that came before it in this
// request. An event that leaves no record is never a duplicate.
func (c *Collector) isNew(x *exchange, i int) bool {
	if len(x.states) == 0 || x.states[i] == sinks.First || x.passes() == 0 {
		return true
	}
	if x.states[i] == sinks.Pending {
		switch own := x.claimedBy(i); {
		case own < 0:
			x.pending = append(x.pending, x.eventIDs[i])
		case x.batch.Events[own].ID != x.eventIDs[i]: // that event left no record
			x.states[own], x.states[i] = sinks.Pending, sinks.First
			return true
		}
	}
	x.doubles++
	return false
}

// claimedBy is the event of this request that claimed the ID of event i first, -1 where
// another request did.
func (x *exchange) claimedBy(i int) int {
	for k := range i {
		if x.states[k] == sinks.First && x.eventIDs[k] == x.eventIDs[i] {
			return k
		}
	}
	return -1
}

// finishDedup ends the request's claims: the IDs of stored events are known from here
// on, all others are released. An event that is durable and waits for its delivery
// counts as stored: a retry must not store it again. A second call changes nothing.
func (c *Collector) finishDedup(x *exchange, stored bool) {
	if len(x.states) == 0 {
		return
	}
	x.stored, x.released = x.stored[:0], x.released[:0]
	for i, id := range x.eventIDs {
		switch {
		case x.states[i] != sinks.First || id == sinks.ID{}:
		case stored && i < len(x.batch.Events) && x.batch.Events[i].ID == id:
			x.stored, x.states[i] = append(x.stored, id), sinks.Known
		default:
			x.released, x.eventIDs[i] = append(x.released, id), sinks.ID{}
		}
	}
	c.o.Dedup.Finish(x.stored, true)
	c.o.Dedup.Finish(x.released, false)
}

// waitForOthers waits until other requests have stored the events that this one repeats.
// This request holds no claim any more, so nobody waits for it meanwhile. Where another
// request fails, the sender is asked to come again: its next attempt is the first.
func (c *Collector) waitForOthers(x *exchange) *RequestError {
	for _, id := range x.pending {
		c.m.twins.Inc()
		if !c.o.Dedup.Wait(id) {
			return errSink
		}
	}
	return nil
}

// noteAliases remembers the events of a request that is about to be answered, all
// stored, under the subject that a retry will prove: where the answer gives out an id
// cookie or ends the one that came, the sender may repeat what was answered. It takes
// nobody's place, since an id that is fresh has sent nothing yet.
func (c *Collector) noteAliases(x *exchange) {
	next, changed := c.nextSubject(x)
	if !changed || len(x.states) == 0 {
		return
	}
	x.stored = x.stored[:0]
	for i, id := range x.eventIDs {
		if id != (sinks.ID{}) {
			x.stored = append(x.stored, c.eventID(x, &x.payload.Events[i], next))
		}
	}
	if len(x.stored) > 0 {
		c.o.Dedup.Note(x.stored)
	}
}

// nextSubject is whom the sender proves to be from this answer on, if its cookies
// change that.
func (c *Collector) nextSubject(x *exchange) (next consent.Subject, changed bool) {
	if x.fresh != "" {
		return consent.Subject{Kind: consent.Visitor, ID: x.fresh}, true
	}
	if x.person.Subject.Kind == consent.Visitor {
		for i := range x.ans.Cookies {
			if k := &x.ans.Cookies[i]; k.Name == c.o.Cookies.ID && k.Value == "" {
				return next, true
			}
		}
	}
	return next, false
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

// eventID is the keyed hash of an event and of who sent it, zero for one without a
// messageId. Whoever knows a messageId must not be able to take the place of the
// event that bears it, so the ID also holds
//
//   - the source, and whether it showed its token: a server is another sender than
//     whoever knows the public key of its source;
//   - the subject that the request proves, by cookie or token; an anonymousId that
//     the event names proves nothing and is content;
//   - the content: the bytes that were sent, without the two members that trackers
//     change with each attempt. The same messageId with other content is another
//     event (docs/api.md, records).
func (c *Collector) eventID(x *exchange, e *Event, by consent.Subject) (id sinks.ID) {
	if len(scalarText(e.peek.get(peekMessageID))) == 0 {
		return id
	}
	const server, proven, nobody = 's', 'p', '-'
	sender := 0
	content := x.content(e)
	b := append(x.scratch, c.o.DedupKey.Secret[:]...)
	b = appendPart(b, x.source.ID)
	if x.proven {
		b, sender = append(b, server), 1
	}
	if by.IsZero() {
		b = append(b, nobody)
	} else {
		b = appendPart(append(b, proven, byte(by.Kind)), by.ID)
	}
	b = c.contentHash.Seal(b, zeroNonce[:], nil, content)
	sum := sha256.Sum256(b[len(x.scratch):])
	x.scratch = b[:0]
	n := copy(id[:], x.source.share[sender][:])
	copy(id[n:], sum[:])
	return id
}

// content gives the bytes of an event that say what happened: all but the values of
// sentAt and _metadata, which SDKs of the Segment spec set anew for each
// attempt. A copy is in scratch.
func (x *exchange) content(e *Event) []byte {
	x.scratch = x.scratch[:0]
	first, second := e.peek.spans[peekSentAt], e.peek.spans[peekMetadata]
	if first.Start > second.Start {
		first, second = second, first
	}
	if first == second { // both absent
		return e.Raw
	}
	x.scratch = append(x.scratch, e.Raw[:first.Start]...)
	x.scratch = append(x.scratch, e.Raw[first.End:second.Start]...)
	x.scratch = append(x.scratch, e.Raw[second.End:]...)
	return x.scratch
}

// useDedupKey prepares what the events' IDs are made with.
//
// The content is hashed by GMAC (NIST SP 800-38D), four times as fast as SHA-256. A
// nonce is not needed, as the tag never leaves eventID: without having seen one,
// nobody finds two contents with the same tag but by guessing.
func (c *Collector) useDedupKey() error {
	key := sha256.Sum256(append([]byte("content"), c.o.DedupKey.Secret[:]...))
	block, err := aes.NewCipher(key[:])
	if err == nil {
		c.contentHash, err = cipher.NewGCM(block)
	}
	if err != nil {
		return fmt.Errorf("preparing deduplication: %w", err)
	}
	for _, src := range c.sources.all {
		src.share = shares(src, c.o.DedupKey)
	}
	return nil
}

// Shares are the sinks.ID.Source of all events that these sources can send.
func Shares(list []*Source, key keys.Key) (all []uint32) {
	if len(list) == 0 {
		list = []*Source{Demo()}
	}
	for _, src := range list {
		for _, share := range shares(src, key) {
			all = append(all, binary.LittleEndian.Uint32(share[:]))
		}
	}
	return all
}

// shares are those of a source without its token and with it.
func shares(src *Source, key keys.Key) (out [2][4]byte) {
	for sender := range out {
		b := append([]byte("source"), key.Secret[:]...)
		sum := sha256.Sum256(appendPart(append(b, byte(sender)), src.ID))
		copy(out[sender][:], sum[:])
	}
	return out
}

var zeroNonce [12]byte

func appendPart[T string | []byte](b []byte, part T) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(part)))
	return append(b, part...)
}
