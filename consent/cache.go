package consent

import (
	"hash/maphash"
	"strings"
	"sync/atomic"
)

// cached is a state with the exact bytes it was asked with and the epochs it rests on.
type cached struct {
	kind    SubjectKind // NoSubject: of credentials
	a, b, c string
	ends    int64 // microseconds; an id in it is outdated from here on; 0: none
	deps    [snapshotDeps]dep
	n       int // of deps
	state   *State
}

// cache is a bounded table of states, two places for each hash. Reading takes no
// lock and allocates nothing; a new entry drives out the one in its place.
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
