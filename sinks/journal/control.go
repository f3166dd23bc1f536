package journal

import (
	"encoding/binary"

	"assent/sinks"
	"assent/wire"
)

// Cause says why a record is settled.
type cause uint8

const (
	causeAcked    cause = iota // stored downstream
	causeWithheld              // left out: its subject forbids it
	causePoison                // refused for good
	causeSummed                // one of these: all that is settled of a segment
)

// A share is what one source has among some records, within one segment.
type share struct {
	seg     uint64
	source  string
	records int
	bytes   int64 // of bodies
}

// load describes records: their refs, in order, and the shares of the sources,
// by segment, because a segment that is released takes its part with it.
//
//	shares, (segment, source, records, bytes)…, refs, (ref)…
//
// A ref is a uvarint: bit 0 says whether the entry's number counts from the
// entry of the ref before (0) or from the segment's start (1), bits 1 to 6 are
// the number in the entry, the rest is the entry's. In the second case the
// difference of the segments follows as a varint.
type load struct {
	shares []share
	refs   []ref
}

func (l *load) reset() { l.shares, l.refs = l.shares[:0], l.refs[:0] }

// list describes items.
func (l *load) list(items []item) {
	l.reset()
	for i := range items {
		l.add(items[i].ref(), items[i].src.name, len(items[i].body))
	}
}

func (l *load) add(r ref, source string, bytes int) {
	l.refs = append(l.refs, r)
	for i := range l.shares {
		if l.shares[i].seg == r.seg && l.shares[i].source == source {
			l.shares[i].records++
			l.shares[i].bytes += int64(bytes)
			return
		}
	}
	l.shares = append(l.shares, share{r.seg, source, 1, int64(bytes)})
}

func (l *load) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(l.shares)))
	for _, s := range l.shares {
		dst = binary.AppendUvarint(dst, s.seg)
		dst = appendText(dst, s.source)
		dst = binary.AppendUvarint(dst, uint64(s.records))
		dst = binary.AppendUvarint(dst, uint64(s.bytes))
	}
	dst = binary.AppendUvarint(dst, uint64(len(l.refs)))
	var last position
	for _, r := range l.refs {
		rec := uint64(r.rec) << 1
		if r.seg == last.seg && r.idx >= last.idx {
			dst = binary.AppendUvarint(dst, uint64(r.idx-last.idx)<<7|rec)
		} else {
			dst = binary.AppendUvarint(dst, uint64(r.idx)<<7|rec|1)
			dst = binary.AppendVarint(dst, int64(r.seg-last.seg))
		}
		last = r.position
	}
	return dst
}

func (l *load) parse(f *wire.Reader) {
	l.reset()
	for n := f.Uvarint(); n > 0 && !f.Bad; n-- {
		l.shares = append(l.shares, share{f.Uvarint(), string(f.Bytes()), int(f.Uvarint()), int64(f.Uvarint())})
	}
	var last position
	for n := f.Uvarint(); n > 0 && !f.Bad; n-- {
		v := f.Uvarint()
		r := ref{position{last.seg, uint32(v >> 7)}, uint8(v >> 1 & (maxRecords - 1))}
		if v&1 == 0 {
			r.idx += last.idx
		} else {
			r.seg += uint64(f.Varint())
		}
		l.refs = append(l.refs, r)
		last = r.position
	}
}

// A reservation says what is about to be sent, and as what.
type reservation struct {
	id        uint64 // unique over all processes that wrote the journal
	at        int64
	partition sinks.Partition
	bytes     []byte // the forwarder's
	load      load
}

func (r *reservation) append(dst []byte) []byte {
	dst = append(dst, byte(kindReservation))
	dst = binary.LittleEndian.AppendUint64(dst, r.id)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(r.at))
	dst = appendText(dst, r.partition.Topic)
	dst = binary.AppendVarint(dst, int64(r.partition.Number))
	dst = binary.AppendUvarint(dst, uint64(len(r.bytes)))
	dst = append(dst, r.bytes...)
	return r.load.append(dst)
}

func (r *reservation) parse(payload []byte) error {
	f := wire.Reader{Rest: payload[1:]}
	r.id, r.at = f.Uint64(), int64(f.Uint64())
	r.partition = sinks.Partition{Topic: string(f.Bytes()), Number: int32(f.Varint())}
	r.bytes = append([]byte(nil), f.Bytes()...)
	r.load.parse(&f)
	return ended(&f)
}

// A settled entry says what became of records.
type settled struct {
	cause       cause
	reservation uint64 // that carried them; 0: none
	topic       string
	load        load
}

func (s *settled) append(dst []byte) []byte {
	dst = append(dst, byte(kindSettled), byte(s.cause))
	dst = binary.LittleEndian.AppendUint64(dst, s.reservation)
	dst = appendText(dst, s.topic)
	return s.load.append(dst)
}

func (s *settled) parse(payload []byte) error {
	f := wire.Reader{Rest: payload[1:]}
	s.cause, s.reservation = cause(f.Byte()), f.Uint64()
	s.topic = same(s.topic, f.Bytes())
	s.load.parse(&f)
	return ended(&f)
}

// appendVoid appends an entry that takes a reservation back: none of its records is
// stored, or whether they are cannot be found out.
func appendVoid(dst []byte, id uint64) []byte {
	return binary.LittleEndian.AppendUint64(append(dst, byte(kindVoid)), id)
}

func parseVoid(payload []byte) (uint64, error) {
	f := wire.Reader{Rest: payload[1:]}
	id := f.Uint64()
	return id, ended(&f)
}

// A horizon ends all reservations with lower ids, settled or void, but for some.
type horizon struct {
	below uint64
	open  []uint64
}

func (h *horizon) append(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint64(append(dst, byte(kindHorizon)), h.below)
	dst = binary.AppendUvarint(dst, uint64(len(h.open)))
	for _, id := range h.open {
		dst = binary.LittleEndian.AppendUint64(dst, id)
	}
	return dst
}

func (h *horizon) parse(payload []byte) error {
	f := wire.Reader{Rest: payload[1:]}
	h.below, h.open = f.Uint64(), h.open[:0]
	for n := f.Uvarint(); n > 0 && !f.Bad; n-- {
		h.open = append(h.open, f.Uint64())
	}
	return ended(&f)
}

// ended returns an error unless an entry was read to its end.
func ended(f *wire.Reader) error {
	if !f.End() {
		return errEntry
	}
	return nil
}
