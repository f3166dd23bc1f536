package journal

import (
	"encoding/binary"
	"errors"

	"assent/sinks"
	"assent/wire"
)

// kind is the first byte of an entry.
type kind uint8

const (
	kindEvent       kind = 1
	kindReservation kind = 2
	kindSettled     kind = 3
	kindVoid        kind = 4
	kindHorizon     kind = 5
)

// Flags of an event entry.
const (
	flagID         = 1 << iota // the event's ID follows
	flagTicket                 // somebody in the process that wrote it waits for delivery
	flagProvenance             // its provenance follows
	flagSubject                // and it has a subject
	flagMore                   // more records of the event before
)

const (
	// maxRecords is how many records one entry holds: a record's number in it
	// is six bits.
	maxRecords = 64

	eventHead = 2 + 8 // kind, flags, instant
)

var errEntry = errors.New("not an entry of a journal")

// appendEvent appends an entry for at most maxRecords records of an event. It
// returns the bytes of their bodies too.
func appendEvent(dst []byte, ev *sinks.Event, records []sinks.Record, at int64, ticket uint64, more bool) (_ []byte, bodies int64) {
	flags := byte(0)
	p := &ev.Provenance
	if ev.ID != (sinks.ID{}) && !more {
		flags |= flagID
	}
	if ticket != 0 {
		flags |= flagTicket
	}
	if p.Subject != nil || p.Place != "" || p.Policy != "" {
		flags |= flagProvenance
	}
	if p.Subject != nil {
		flags |= flagSubject
	}
	if more {
		flags |= flagMore
	}
	dst = append(dst, byte(kindEvent), flags)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(at))
	if flags&flagID != 0 {
		dst = append(dst, ev.ID[:]...)
	}
	if flags&flagTicket != 0 {
		dst = binary.LittleEndian.AppendUint64(dst, ticket)
	}
	dst = appendText(dst, p.Source)
	if flags&flagProvenance != 0 {
		dst = binary.LittleEndian.AppendUint64(dst, p.Snapshot)
		dst = binary.LittleEndian.AppendUint64(dst, p.Purposes)
		dst = binary.LittleEndian.AppendUint64(dst, p.Allowed)
		dst = binary.LittleEndian.AppendUint64(dst, p.Shared)
		dst = appendText(dst, p.Place)
		dst = appendText(dst, p.Policy)
		dst = binary.AppendUvarint(dst, uint64(len(p.Subject)))
		dst = append(dst, p.Subject...)
	}
	dst = append(dst, byte(len(records)))
	for i := range records {
		dst = append(dst, byte(len(records[i].Topic)))
		dst = append(dst, records[i].Topic...)
		mark := len(dst)
		dst = append(dst, 0, 0, 0, 0)
		dst = sinks.AppendBody(dst, &records[i])
		size := len(dst) - mark - 4
		binary.LittleEndian.PutUint32(dst[mark:], uint32(size))
		bodies += int64(size)
	}
	return dst, bodies
}

func appendText(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

// An event is an event entry being read; it points into the payload.
type event struct {
	flags      byte
	at         int64
	id         sinks.ID
	ticket     uint64
	source     []byte
	snapshot   uint64
	provenance []byte // from the snapshot to the subject
	records    int
	rest       wire.Reader
}

// parse reads all but the records.
func (e *event) parse(payload []byte) error {
	if len(payload) < eventHead || kind(payload[0]) != kindEvent {
		return errEntry
	}
	e.flags = payload[1]
	e.at = int64(binary.LittleEndian.Uint64(payload[2:]))
	e.id, e.ticket, e.snapshot, e.provenance = sinks.ID{}, 0, 0, nil
	f := wire.Reader{Rest: payload[eventHead:]}
	if e.flags&flagID != 0 {
		copy(e.id[:], f.Take(len(e.id)))
	}
	if e.flags&flagTicket != 0 {
		e.ticket = f.Uint64()
	}
	e.source = f.Bytes()
	if e.flags&flagProvenance != 0 {
		from := f.Rest
		e.snapshot = f.Uint64()
		f.Take(3 * 8)
		f.Bytes()
		f.Bytes()
		f.Bytes()
		e.provenance = from[:len(from)-len(f.Rest)]
	}
	e.records = int(f.Byte())
	if f.Bad || e.records > maxRecords {
		return errEntry
	}
	e.rest = f
	return nil
}

// next reads the next record; it is asked e.records times.
func (e *event) next() (topic, body []byte, err error) {
	topic = e.rest.Take(int(e.rest.Byte()))
	if n := e.rest.Take(4); n != nil {
		body = e.rest.Take(int(binary.LittleEndian.Uint32(n)))
	}
	if e.rest.Bad {
		return nil, nil, errEntry
	}
	return topic, body, nil
}

// parseProvenance reads the provenance of an event into p, keeping the strings p has
// where they are the same.
func parseProvenance(env []byte, flags byte, source string, at int64, p *sinks.Provenance) {
	f := wire.Reader{Rest: env}
	p.Snapshot, p.Purposes, p.Allowed, p.Shared = f.Uint64(), f.Uint64(), f.Uint64(), f.Uint64()
	p.Place = same(p.Place, f.Bytes())
	p.Policy = same(p.Policy, f.Bytes())
	p.Subject = f.Bytes()
	if flags&flagSubject == 0 {
		p.Subject = nil
	}
	p.Source, p.At = source, at
}

func same(s string, b []byte) string {
	if s == string(b) {
		return s
	}
	return string(b)
}
