package consent

import (
	"hash/maphash"
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

const slotBits = 12

// dep is an epoch as it stood before the subject was read.
type dep struct {
	slot  uint16
	epoch uint64
}

func (e *epochs) slot(s Subject) uint16 {
	return uint16((maphash.String(e.seed, s.ID) + uint64(s.Kind)) % uint64(len(e.slots)))
}

func (e *epochs) of(s Subject) dep {
	i := e.slot(s)
	return dep{i, e.slots[i].Load()}
}

func (e *epochs) raise(s Subject) { e.slots[e.slot(s)].Add(1) }

func (e *epochs) current(d *dep) bool { return e.slots[d.slot].Load() == d.epoch }

// A mark is one or two deps in a word:
//
//	bit 0          set, so that a mark is never zero
//	12 and 12 bits the slots; one slot stands twice
//	39 bits        origin and the sum of their epochs: epochs only rise, so an
//	               equal sum is two equal epochs
const (
	markA   = 1
	markB   = markA + slotBits
	markSum = markB + slotBits
)

func (e *epochs) mark(deps []dep) uint64 {
	if len(deps) == 0 {
		return 0
	}
	a, b := deps[0], deps[len(deps)-1]
	return (e.origin+a.epoch+b.epoch)<<markSum | uint64(b.slot)<<markB | uint64(a.slot)<<markA | 1
}

func (e *epochs) stands(m uint64) bool {
	const slot = 1<<slotBits - 1
	sum := e.slots[m>>markA&slot].Load() + e.slots[m>>markB&slot].Load()
	return m&1 != 0 && (e.origin+sum)<<markSum == m>>markSum<<markSum
}

// cached is a state and what it holds for: the exact bytes it was asked with.
type cached struct {
	kind    SubjectKind // NoSubject: of credentials
	a, b, c string
	ends    int64 // microseconds; an id in it is outdated from here on; 0: none
	deps    [2]dep
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
