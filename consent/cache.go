package consent

import (
	"hash/maphash"
	"slices"
	"strings"
	"sync/atomic"
)

// epochs tell a cached state that its subject changed since. A write raises the
// epoch of every subject it touches after it is durable and before it is
// acknowledged. Subjects share epochs by hash: a false alarm costs one look-up.
type epochs struct {
	seed   maphash.Seed
	origin uint64 // of this process, so that another's marks do not stand here
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

// A mark is up to three deps in a word:
//
//	bit 0            set, so that a mark is never zero
//	12, 12, 12 bits  the slots; one slot may stand more than once
//	27 bits          origin and the sum of their epochs: epochs only rise, so an equal
//	                 sum is equal epochs, until 2^27 choices met one slot
//
// An answer that rests on more deps than that has the mark of any: a slot that every
// write raises.
const (
	markDeps = 3
	markSlot = 1
	markSum  = markSlot + markDeps*slotBits
)

func (e *epochs) mark(deps []dep) uint64 {
	if len(deps) == 0 {
		return 0
	}
	m, sum := uint64(1), e.origin
	for i := range markDeps {
		d := deps[min(i, len(deps)-1)]
		m |= uint64(d.slot) << (markSlot + i*slotBits)
		sum += d.epoch
	}
	return sum<<markSum | m
}

func (e *epochs) stands(m uint64) bool {
	sum := e.origin
	for i := range markDeps {
		sum += e.slots[m>>(markSlot+i*slotBits)&(1<<slotBits-1)].Load()
	}
	return m&1 != 0 && sum<<markSum == m>>markSum<<markSum
}

// join is the mark of what rests on all that two marks are of. Zero, which never
// stands, where one of them does not stand.
func (e *epochs) join(a, b uint64) uint64 {
	if a == b {
		return a
	}
	var slots [2 * markDeps]uint16
	n := 0
	for _, m := range [...]uint64{a, b} {
		for i := range markDeps {
			slot := uint16(m >> (markSlot + i*slotBits) & (1<<slotBits - 1))
			if !slices.Contains(slots[:n], slot) {
				slots[n] = slot
				n++
			}
		}
	}
	var deps [markDeps]dep
	if n > markDeps {
		slots[0], n = anySlot, 1
	}
	for i := range n {
		deps[i] = dep{slots[i], e.slots[slots[i]].Load()}
	}
	// Only now: what raised an epoch since the marks were made must be in the new one.
	if !e.stands(a) || !e.stands(b) {
		return 0
	}
	return e.mark(deps[:n])
}

// cached is a state and what it holds for: the exact bytes it was asked with.
type cached struct {
	kind    SubjectKind // NoSubject: of credentials
	a, b, c string
	ends    int64 // microseconds; an id in it is outdated from here on; 0: none
	deps    [markDeps]dep
	n       int // of deps
	state   *State
}

// cache is a bounded table of states, two places for each hash. Reading takes no
// lock and allocates nothing; a newcomer drives out whoever stands in its place.
type cache struct {
	seed  maphash.Seed
	slots []atomic.Pointer[cached]
}

func newCache(size int) *cache {
	n := 2
	for n < size {
		n *= 2
	}
	return &cache{seed: maphash.MakeSeed(), slots: make([]atomic.Pointer[cached], n)}
}

func (c *cache) hash(kind SubjectKind, x, y, z []byte) uint64 {
	const mix = 0x9e3779b97f4a7c15
	h := maphash.Bytes(c.seed, x)
	if len(y) > 0 {
		h = h*mix ^ maphash.Bytes(c.seed, y)
	}
	if len(z) > 0 {
		h = h*mix*mix ^ maphash.Bytes(c.seed, z)
	}
	return h + uint64(kind)
}

func (c *cache) get(h uint64, kind SubjectKind, x, y, z []byte) *cached {
	for way := range uint64(2) {
		e := c.slots[(h^way)&uint64(len(c.slots)-1)].Load()
		if e != nil && e.kind == kind && e.a == string(x) && e.b == string(y) && e.c == string(z) {
			return e
		}
	}
	return nil
}

// put keeps e; its strings must be its own.
func (c *cache) put(h uint64, e *cached) {
	first := &c.slots[h&uint64(len(c.slots)-1)]
	if old := first.Load(); old != nil && !old.same(e) {
		c.slots[(h^1)&uint64(len(c.slots)-1)].Store(old)
	}
	first.Store(e)
}

func (e *cached) same(f *cached) bool {
	return e.kind == f.kind && e.a == f.a && e.b == f.b && e.c == f.c
}

func newCached(kind SubjectKind, x, y, z string) *cached {
	return &cached{kind: kind, a: strings.Clone(x), b: strings.Clone(y), c: strings.Clone(z)}
}
