package collector

import (
	"bytes"
	"net/netip"

	"assent/redact"
)

// The few values of an event that the steps before redact must see.
const (
	peekType = iota
	peekEvent
	peekMessageID
	peekAnonymousID
	peekTimestamp
	peekIP
	peekBatch
	peekWriteKey
	peekSentAt
	peekMetadata
	peekOriginalTimestamp
	peekSignals // the first of signalPaths
	peekCount   = peekSignals + len(signalPaths)
)

// signalPaths are the paths of the places in events at which consent's table of signals
// has something, and of every object on the way there.
var signalPaths = [...]string{"context", "context.consent", "context.consent.categoryPreferences"}

var finder = redact.NewFinder(append([]string{
	"type", "event", "messageId", "anonymousId", "timestamp", "context.ip", "batch", "writeKey",
	"sentAt", "_metadata", "originalTimestamp",
}, signalPaths[:]...)...)

// Peek holds where those values lie in one JSON object. Each is unique: an
// event that says one of them twice is refused, for a consumer might read the other.
type Peek struct {
	raw   []byte
	spans [peekCount]redact.Span
}

// PeekObject validates one JSON object and finds the peeked values in it.
func PeekObject(raw []byte) (Peek, error) {
	p := Peek{raw: raw}
	err := finder.Find(raw, p.spans[:])
	return p, err
}

// PeekElements calls f with the event of each element of a JSON array. One that
// is no object that PeekObject takes is there all the same, to be refused alone.
func PeekElements(array []byte, f func(e Event) error) error {
	var p Peek
	return finder.FindEach(array, p.spans[:], func(item []byte, refused error) error {
		if refused != nil {
			return f(Event{Raw: item})
		}
		p.raw = item
		return f(Peeked(p))
	})
}

// get returns a value's raw JSON, nil where it is absent.
func (p *Peek) get(i int) []byte {
	s := p.spans[i]
	if s.Start == s.End {
		return nil
	}
	return p.raw[s.Start:s.End]
}

// Batch is the raw array of a `{"batch":[…]}` body, or nil.
func (p *Peek) Batch() []byte {
	if b := p.get(peekBatch); len(b) > 0 && b[0] == '[' {
		return b
	}
	return nil
}

// WriteKey is the source key inside a body (beacons cannot set headers), or nil.
func (p *Peek) WriteKey() []byte { return text(p.get(peekWriteKey)) }

// Peeked makes the event of an object that was peeked already.
// Its size is still to be checked.
func Peeked(p Peek) Event { return Event{Raw: p.raw, peeked: true, peek: p} }

// read validates the event and finds what the steps before redact must see.
func (e *Event) read(limit int) {
	switch {
	case e.Reason != "":
	case len(e.Raw) > limit:
		e.Reason, e.peek, e.peeked = ReasonEventTooLarge, Peek{}, false
	case e.peeked:
	default:
		p, err := PeekObject(e.Raw)
		if err != nil {
			e.Reason = jsonReason(err)
			return
		}
		e.peek, e.peeked = p, true
	}
}

// scalarText gives the bytes that a raw JSON string or number stands for.
func scalarText(raw []byte) []byte {
	if len(raw) > 0 && (raw[0] == '-' || raw[0]-'0' <= 9) {
		return raw
	}
	return text(raw)
}

// address is the one that an event names for its person, in context.ip; the zero Addr
// where it names none that can be read.
func (p *Peek) address() netip.Addr {
	addr, _ := netip.ParseAddr(string(text(p.get(peekIP))))
	return addr.Unmap()
}

// text gives the bytes of a raw JSON string, nil for any other value. Only a
// string with escapes allocates.
func text(raw []byte) []byte {
	if len(raw) < 2 || raw[0] != '"' {
		return nil
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	s, err := redact.AppendUnquoted(nil, raw)
	if err != nil {
		return nil
	}
	return s
}
