package consent

import (
	"hash/maphash"
	"slices"
	"sync/atomic"
)

// epochs tell a cached state that its subject changed since. A write raises the
// epoch of every subject it touches after it is durable and before it is
// acknowledged. Subjects share epochs by hash: a false alarm costs one look-up.
type epochs struct {
	seed   maphash.Seed
	origin uint64 // of this process, so that another's snapshots are changed ones here
	slots  [1 << slotBits]atomic.Uint64
}

const (
	slotBits = 12
	anySlot  = 1<<slotBits - 1 // nobody's own: every write raises it
)

// dep is an epoch as it stood before the subject was read.
type dep struct {
	slot  uint16
	epoch uint64
}

func (e *epochs) slot(s Subject) uint16 {
	return uint16((maphash.String(e.seed, s.ID) + uint64(s.Kind)) % anySlot)
}

func (e *epochs) of(s Subject) dep {
	i := e.slot(s)
	return dep{i, e.slots[i].Load()}
}

// any is an epoch that every write raises.
func (e *epochs) any() dep { return dep{anySlot, e.slots[anySlot].Load()} }

func (e *epochs) raise(s Subject) {
	e.slots[e.slot(s)].Add(1)
	e.slots[anySlot].Add(1)
}

func (e *epochs) forget() {
	for i := range e.slots {
		e.slots[i].Add(1)
	}
}

func (e *epochs) current(d *dep) bool { return e.slots[d.slot].Load() == d.epoch }

// A snapshot is up to three deps in a word:
//
//	bit 0            set, so that a snapshot is never zero
//	12, 12, 12 bits  the slots; one slot may stand more than once
//	27 bits          origin and the sum of their epochs: epochs only rise, so an equal
//	                 sum is equal epochs, until 2^27 choices met one slot
//
// An answer that rests on more deps than that has the snapshot of any: a slot that every
// write raises.
const (
	snapshotDeps = 3
	snapshotSlot = 1
	snapshotSum  = snapshotSlot + snapshotDeps*slotBits
)

func (e *epochs) snapshot(deps []dep) uint64 {
	if len(deps) == 0 {
		return 0
	}
	m, sum := uint64(1), e.origin
	for i := range snapshotDeps {
		d := deps[min(i, len(deps)-1)]
		m |= uint64(d.slot) << (snapshotSlot + i*slotBits)
		sum += d.epoch
	}
	return sum<<snapshotSum | m
}

func (e *epochs) unchanged(m uint64) bool {
	sum := e.origin
	for i := range snapshotDeps {
		sum += e.slots[m>>(snapshotSlot+i*slotBits)&(1<<slotBits-1)].Load()
	}
	return m&1 != 0 && sum<<snapshotSum == m>>snapshotSum<<snapshotSum
}

// join is the snapshot of an answer that rests on all that two snapshots are of. Zero,
// which never counts as unchanged, where one of the two has changed already.
func (e *epochs) join(a, b uint64) uint64 {
	if a == b {
		return a
	}
	var slots [2 * snapshotDeps]uint16
	n := 0
	for _, m := range [...]uint64{a, b} {
		for i := range snapshotDeps {
			slot := uint16(m >> (snapshotSlot + i*slotBits) & (1<<slotBits - 1))
			if !slices.Contains(slots[:n], slot) {
				slots[n] = slot
				n++
			}
		}
	}
	var deps [snapshotDeps]dep
	if n > snapshotDeps {
		slots[0], n = anySlot, 1
	}
	for i := range n {
		deps[i] = dep{slots[i], e.slots[slots[i]].Load()}
	}
	// Only now: a write between the two snapshots and this one must not be missed.
	if !e.unchanged(a) || !e.unchanged(b) {
		return 0
	}
	return e.snapshot(deps[:n])
}
