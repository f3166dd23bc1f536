package collector

import (
	"bytes"
	"net/netip"
	"slices"
	"time"

	"assent/consent"
	"assent/consent/signals"
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
	peekUserID
	peekSignals // the first of signalPaths
	peekCount   = peekSignals + len(signalPaths)
)

// signalPaths are the paths of the places in events at which the table of signals has
// something, and of every object on the way there.
var signalPaths = [...]string{
	"context", "context.consent", "context.consent.categoryPreferences", "context.consentManagement", "context.consentMode",
	"context.entities", "context.entities.consent_preferences",
	"context.device", "context.device.attTrackingStatus", "context.device.lmt", "context.device.is_lat", "context.device.adTrackingEnabled",
	"context.device.ifa_type", "context.IABUSPrivacy_String", "context.IABTCF_TCString", "context.IABGPP_HDR_GppString",
}

var finder = redact.NewFinder(append([]string{
	"type", "event", "messageId", "anonymousId", "timestamp", "context.ip", "batch", "writeKey",
	"sentAt", "_metadata", "originalTimestamp", "userId",
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

// Context is the raw JSON of a body's context, or nil.
func (p *Peek) Context() []byte { return p.get(peekSignals) }

// SentAt is what a body says of the time of sending, as raw JSON, or nil.
func (p *Peek) SentAt() []byte { return p.get(peekSentAt) }

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

// eventPlace is a place of the table of signals, as indices of peeked values.
type eventPlace struct {
	*signals.Place
	way    []int // each object on the way, then what says something
	member int   // of that; peekCount: all of it is the signal
}

var eventPlaces = func() (out []eventPlace) {
	index := func(path string) int {
		i := slices.Index(signalPaths[:], path)
		if i < 0 {
			panic("BUG: signalPaths lacks " + path)
		}
		return peekSignals + i
	}
	for _, p := range signals.Places(signals.Event) {
		at := eventPlace{Place: p, member: peekCount}
		for i, b := range []byte(p.Name) {
			if b == '.' {
				at.way = append(at.way, index(p.Name[:i]))
			}
		}
		at.way = append(at.way, index(p.Name))
		if p.Member != "" {
			at.member = index(p.Name + "." + p.Member)
		}
		out = append(out, at)
	}
	return out
}()

// signals narrows s by what the event itself says of consent.
func (e *Event) signals(r *signals.Reader, now time.Time, s *consent.Signals) {
	if e.peek.get(peekSignals) == nil {
		return // nothing of the kind stands outside of context
	}
	for i := range eventPlaces {
		p := &eventPlaces[i]
		if !r.Hears(p.Scheme) {
			continue
		}
		if raw, said := e.peek.at(p); said {
			r.ReadOne(p.Place, raw, now, s)
		}
	}
}

// carried lists what the event itself says of consent.
func (e *Event) carried() (out []signals.Carried) {
	for i := range eventPlaces {
		if raw, said := e.peek.at(&eventPlaces[i]); said && raw != nil {
			out = append(out, signals.Carried{Place: eventPlaces[i].Place, Value: raw})
		}
	}
	return out
}

// at finds what an event says at a place. Nothing, null (which serialisers write for
// nothing) or an empty object on the way says nothing. Whatever else stands there means
// to say something: in another shape than the scheme's it cannot be read.
func (p *Peek) at(place *eventPlace) (raw []byte, said bool) {
	for _, i := range place.way {
		raw = p.get(i)
		if raw == nil || string(raw) == "null" || isEmptyObject(raw) {
			return nil, false
		}
		if raw[0] != '{' {
			return raw, true
		}
	}
	if place.member < peekCount {
		raw = p.get(place.member)
	}
	return raw, true
}

func isEmptyObject(raw []byte) bool {
	return raw[0] == '{' && len(bytes.TrimSpace(raw[1:len(raw)-1])) == 0
}

// scalarText gives the bytes that a raw JSON string or number stands for.
func scalarText(raw []byte) []byte {
	if len(raw) > 0 && (raw[0] == '-' || raw[0]-'0' <= 9) {
		return raw
	}
	return text(raw)
}

// plainInteger reports whether a JSON number is written in the one way in which every
// reader gives the same id: no sign, fraction or exponent, and small enough for a
// double (RFC 8259, 6: up to 2^53).
func plainInteger(raw []byte) bool {
	const most = "9007199254740991"
	for _, b := range raw {
		if b < '0' || b > '9' {
			return false
		}
	}
	return len(raw) < len(most) || len(raw) == len(most) && string(raw) <= most
}

// account is the account id that an event names; nil where it names one that cannot be
// told from others. An empty userId is absent.
func (e *Event) account() (id []byte, said bool) {
	raw := e.peek.get(peekUserID)
	if raw == nil || string(raw) == "null" || string(raw) == `""` {
		return nil, false
	}
	if raw[0] != '"' && !plainInteger(raw) || !consent.Nameable(scalarText(raw)) {
		return nil, true
	}
	return scalarText(raw), true
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

// Event is one item of a request: one JSON object in the canonical field names.
type Event struct {
	Raw    []byte
	Reason Reason // set by a dialect that cannot delimit or build the item
	peeked bool
	peek   Peek
}
