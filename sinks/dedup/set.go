package dedup

import (
	"container/heap"
	"encoding/binary"

	"assent/sinks"
)

// A set holds IDs up to a fixed count. When it is full, the source that holds the
// most gives up its oldest for the new one (longest queue drop): so each of n
// sources always keeps its newest count/n, however many the others send, and may
// use what they leave free.
type set struct {
	ids   []sinks.ID
	after []uint32 // position of the next younger ID of the same source
	slots []slot   // linear probing, at most half in use

	sources map[uint32]*source // by sinks.ID.Source
	fixed   bool               // there are no other sources
	largest bySize
}

// source is a queue through ids and after.
type source struct {
	held           int
	oldest, newest uint32
	at             int // in largest
}

// bySize is a heap, the source that holds the most on top.
type bySize []*source

func (h bySize) Len() int           { return len(h) }
func (h bySize) Less(i, j int) bool { return h[i].held > h[j].held }
func (h bySize) Swap(i, j int)      { h[i], h[j] = h[j], h[i]; h[i].at, h[j].at = i, j }
func (h *bySize) Push(s any)        { *h = append(*h, s.(*source)) }
func (h *bySize) Pop() any          { panic("BUG: a source is never taken out") }

// A slot is the position of an ID in ids plus one, 0 where the slot is free, and
// above it four bytes of the ID: a search looks at ids only where they agree. IDs
// are keyed hashes, so that any four bytes behind the source's spread evenly and
// nobody outside can choose them.
type slot uint64

func tag(id *sinks.ID) uint32 { return binary.LittleEndian.Uint32(id[4:]) }

func (s slot) at() uint32  { return uint32(s) - 1 }
func (s slot) tag() uint32 { return uint32(s >> 32) }

// newSet makes a set for IDs of these sources; of any where none is named.
func newSet(count int, sources []uint32) *set {
	size := 4
	for size < 2*count {
		size *= 2
	}
	s := &set{
		ids: make([]sinks.ID, 0, count), after: make([]uint32, count), slots: make([]slot, size),
		sources: map[uint32]*source{},
	}
	for _, n := range sources {
		s.source(n)
	}
	s.fixed = len(sources) > 0
	return s
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

// put adds an ID, and reports whether another one had to go for it. One of a source
// that is no more would only take the others' room: it is passed over.
func (s *set) put(id sinks.ID) (evicted bool) {
	i, found := s.find(&id)
	if found {
		return false
	}
	own := s.source(id.Source())
	if own == nil {
		return false
	}
	at := uint32(len(s.ids))
	if evicted = len(s.ids) == cap(s.ids); evicted {
		at = s.evict(own)
		i, _ = s.find(&id)
		s.ids[at] = id
	} else {
		s.ids = append(s.ids, id)
	}
	s.slots[i] = slot(tag(&id))<<32 | slot(at+1)
	if own.held == 0 {
		own.oldest = at
	} else {
		s.after[own.newest] = at
	}
	own.newest = at
	own.held++
	heap.Fix(&s.largest, own.at)
	return evicted
}

func (s *set) source(n uint32) *source {
	own := s.sources[n]
	if own == nil && !s.fixed {
		own = &source{at: len(s.largest)}
		s.sources[n] = own
		heap.Push(&s.largest, own)
	}
	return own
}

// evict takes an ID out for one of the source that is to come, and returns its
// position.
func (s *set) evict(to *source) uint32 {
	from := s.largest[0]
	if to.held == from.held {
		from = to
	}
	at := from.oldest
	from.oldest = s.after[at]
	from.held--
	heap.Fix(&s.largest, from.at)
	i, _ := s.find(&s.ids[at])
	s.free(i)
	return at
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

// inOrder returns the IDs, of each source the oldest first.
func (s *set) inOrder() []sinks.ID {
	out := make([]sinks.ID, 0, len(s.ids))
	for _, own := range s.largest {
		for n, at := 0, own.oldest; n < own.held; n, at = n+1, s.after[at] {
			out = append(out, s.ids[at])
		}
	}
	return out
}
