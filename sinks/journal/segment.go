package journal

import (
	"math/bits"
	"slices"
)

// A ref names a record by where it stands. It is never a count of what a scan
// found: damage may come between two scans.
type ref struct {
	position
	rec uint8 // its number in the entry
}

// A position is an entry's place in the log.
type position struct {
	seg uint64
	idx uint32
}

func (p position) before(q position) bool {
	return p.seg < q.seg || p.seg == q.seg && p.idx < q.idx
}

// A segment is what is known of one segment of the log. Guarded by Journal.mu.
type segment struct {
	number  uint64
	old     bool  // an earlier process wrote it
	waiting int   // records read by the main scan, or for a reservation, and not settled
	taken   marks // records that are settled or in a queue or in flight
	settled marks // records that are settled
}

// marks is a set of records of a segment, about one bit each: a bitmap over the
// entries for each number a record can have in its entry.
type marks struct{ planes [][]uint64 }

func (m *marks) has(idx uint32, rec uint8) bool {
	if int(rec) >= len(m.planes) {
		return false
	}
	p := m.planes[rec]
	return int(idx/64) < len(p) && p[idx/64]>>(idx%64)&1 == 1
}

// set adds a record and reports whether it was not there.
func (m *marks) set(idx uint32, rec uint8) bool {
	for len(m.planes) <= int(rec) {
		m.planes = append(m.planes, nil)
	}
	p := m.planes[rec]
	if need := int(idx/64) + 1; need > len(p) {
		p = slices.Grow(p, need-len(p))[:need]
		m.planes[rec] = p
	}
	bit := uint64(1) << (idx % 64)
	fresh := p[idx/64]&bit == 0
	p[idx/64] |= bit
	return fresh
}

func (m *marks) clear(idx uint32, rec uint8) { m.planes[rec][idx/64] &^= 1 << (idx % 64) }

// refs lists the records in order.
func (m *marks) refs(seg uint64) (refs []ref) {
	words := 0
	for _, p := range m.planes {
		words = max(words, len(p))
	}
	for w := range words {
		var some uint64
		for _, p := range m.planes {
			if w < len(p) {
				some |= p[w]
			}
		}
		for ; some != 0; some &= some - 1 {
			idx := uint32(w*64 + bits.TrailingZeros64(some))
			for rec := range m.planes {
				if m.has(idx, uint8(rec)) {
					refs = append(refs, ref{position{seg, idx}, uint8(rec)})
				}
			}
		}
	}
	return refs
}

// segments are those not released, in order.
type segments struct {
	list []*segment
	boot uint64
	last *segment // found last: scans ask for the same one again and again
}

// get returns a segment, making it known.
func (s *segments) get(number uint64) *segment {
	if s.last != nil && s.last.number == number {
		return s.last
	}
	i, found := slices.BinarySearchFunc(s.list, number, func(g *segment, n uint64) int {
		switch {
		case g.number < n:
			return -1
		case g.number > n:
			return 1
		}
		return 0
	})
	if !found {
		s.list = slices.Insert(s.list, i, &segment{number: number, old: number < s.boot})
	}
	s.last = s.list[i]
	return s.last
}

// settledBelow returns the oldest segment with a waiting record, at most limit.
func (s *segments) settledBelow(limit uint64) uint64 {
	for _, g := range s.list {
		if g.number >= limit {
			break
		}
		if g.waiting != 0 {
			return g.number
		}
	}
	return limit
}

// forget drops what is known of segments below a number.
func (s *segments) forget(below uint64) {
	i := 0
	for i < len(s.list) && s.list[i].number < below {
		i++
	}
	s.list = slices.Delete(s.list, 0, i)
	s.last = nil
}

// drop drops what is known of one segment.
func (s *segments) drop(number uint64) {
	s.list = slices.DeleteFunc(s.list, func(g *segment) bool { return g.number == number })
	s.last = nil
}
