package dedup

import (
	"encoding/binary"

	"assent/sinks"
)

// A set holds the IDs put last, up to a fixed count; the oldest goes first.
type set struct {
	ids   []sinks.ID // a ring once it is full
	next  int        // where the next ID goes
	slots []slot     // linear probing, at most half in use
}

// A slot is the position of an ID in ids plus one, 0 where the slot is free, and
// above it the ID's first four bytes: a search looks at ids only where they agree.
// IDs are keyed hashes, so that any four bytes spread evenly and nobody outside
// can choose them.
type slot uint64

func tag(id *sinks.ID) uint32 { return binary.LittleEndian.Uint32(id[:]) }

func (s slot) at() uint32  { return uint32(s) - 1 }
func (s slot) tag() uint32 { return uint32(s >> 32) }

func newSet(count int) *set {
	size := 4
	for size < 2*count {
		size *= 2
	}
	return &set{ids: make([]sinks.ID, 0, count), slots: make([]slot, size)}
}

func (s *set) mask() uint32 { return uint32(len(s.slots) - 1) }

// find returns the slot of an ID, or the free one where it belongs.
func (s *set) find(id *sinks.ID) (i uint32, found bool) {
	own := tag(id)
	for i = own & s.mask(); s.slots[i] != 0; i = (i + 1) & s.mask() {
		if at := s.slots[i]; at.tag() == own && s.ids[at.at()] == *id {
			return i, true
		}
	}
	return i, false
}

func (s *set) has(id sinks.ID) bool {
	_, found := s.find(&id)
	return found
}

// put adds an ID, and reports whether another one had to go for it.
func (s *set) put(id sinks.ID) (evicted bool) {
	i, found := s.find(&id)
	if found {
		return false
	}
	at := len(s.ids)
	if evicted = at == cap(s.ids); evicted {
		at = s.next
		oldest, _ := s.find(&s.ids[at])
		s.free(oldest)
		i, _ = s.find(&id)
		s.ids[at] = id
		s.next = (at + 1) % len(s.ids)
	} else {
		s.ids = append(s.ids, id)
	}
	s.slots[i] = slot(tag(&id))<<32 | slot(at+1)
	return evicted
}

// free empties a slot and closes the gap: whatever was pushed past it moves up,
// so that no search ends early.
func (s *set) free(gap uint32) {
	for i := (gap + 1) & s.mask(); s.slots[i] != 0; i = (i + 1) & s.mask() {
		if home := s.slots[i].tag() & s.mask(); (i-home)&s.mask() >= (i-gap)&s.mask() {
			s.slots[gap], gap = s.slots[i], i
		}
	}
	s.slots[gap] = 0
}

// inOrder returns the IDs, oldest first.
func (s *set) inOrder() []sinks.ID {
	return append(s.ids[s.next:len(s.ids):len(s.ids)], s.ids[:s.next]...)
}
