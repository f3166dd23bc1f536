package journal

import (
	"encoding/binary"

	"assent/wal"
)

// openReservation returns the id of a new reservation.
func (j *Journal) openReservation() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	id := j.reservations.Add(1)
	j.open[id] = 0
	return id
}

// endReservation ends a reservation that has no force any more.
func (j *Journal) endReservation(id uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.open, id)
}

// sawReservationLocked notes in which segment an open reservation stands.
func (j *Journal) sawReservationLocked(e *wal.Entry) {
	if len(e.Payload) < 9 || kind(e.Payload[0]) != kindReservation {
		return
	}
	id := binary.LittleEndian.Uint64(e.Payload[1:])
	if _, open := j.open[id]; open {
		j.open[id] = e.Segment
	}
}

// compact gives up segments whose records are all settled although an older one
// has some that are not. Before that it makes durable what they may say of others:
// first which records of the segments that stay are settled, then which reservations have
// ended. The horizon is drawn before the records are listed, so that a reservation which
// ends in between is repeated or settled by what follows, and never forgotten. It
// returns false when that failed.
func (j *Journal) compact() bool {
	j.mu.Lock()
	kept, gone := j.compactableLocked()
	j.mu.Unlock()
	if len(gone) < 2+len(kept)/4 { // what is written again must be worth it
		return true
	}
	for _, number := range gone {
		if !j.retire(number) {
			return false
		}
	}
	j.mu.Lock()
	h := horizon{below: j.reservations.Load() + 1}
	for id := range j.open {
		h.open = append(h.open, id)
	}
	j.mu.Unlock()
	var entry []byte
	for _, g := range kept {
		j.mu.Lock()
		s := settled{cause: causeSummed, load: load{refs: g.settled.refs(g.number)}}
		j.mu.Unlock()
		if len(s.load.refs) == 0 {
			continue
		}
		entry = s.append(entry[:0])
		if j.log.Append(entry) != nil {
			return false
		}
	}
	if j.log.Append(h.append(entry[:0])) != nil {
		return false
	}
	for _, number := range gone {
		j.log.Drop(number)
		j.mu.Lock()
		j.segments.drop(number)
		j.mu.Unlock()
	}
	j.used.Store(j.log.Usage().Bytes)
	return true
}

// compactableLocked returns the segments that can go although an older one cannot, and
// those that have to stay before the last of them. One that holds a reservation which is
// open has to stay: it may be repeated.
func (j *Journal) compactableLocked() (kept []*segment, gone []uint64) {
	reserved := map[uint64]bool{}
	for _, number := range j.open {
		reserved[number] = true
	}
	last := 0
	for _, g := range j.segments.list {
		if g.number >= j.main.seg {
			break
		}
		if g.waiting == 0 && !reserved[g.number] {
			gone, last = append(gone, g.number), len(kept)
		} else {
			kept = append(kept, g)
		}
	}
	return kept[:last], gone
}
