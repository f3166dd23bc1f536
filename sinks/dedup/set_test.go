package dedup

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"assent/sinks"
)

// id is the n-th ID of a test, of source 0. Four bytes say where a search begins,
// so few distinct ones make long probes.
func id(n, homes uint64) (id sinks.ID) {
	binary.LittleEndian.PutUint32(id[4:], uint32(n%homes))
	binary.BigEndian.PutUint64(id[8:], n+1)
	return id
}

// idOf is the n-th ID of a source.
func idOf(source uint32, n uint64) sinks.ID {
	id := id(n, spread)
	binary.LittleEndian.PutUint32(id[:], source)
	return id
}

// TestSetIsAQueue compares the set with a plain list: the last count IDs, each
// once, the oldest gone first, however badly they collide.
func TestSetIsAQueue(t *testing.T) {
	for _, count := range []int{2, 3, 7, 64, 300} {
		for _, homes := range []uint64{1, 3, 1 << 20} {
			rng := rand.New(rand.NewPCG(uint64(count), homes))
			s := newSet(count, nil)
			var list []sinks.ID
			for range 6 * count {
				next := id(rng.Uint64N(uint64(2*count)), homes)
				known := slices.Contains(list, next)
				if s.has(next) != known {
					t.Fatalf("count %d, homes %d: has %v, want %v", count, homes, !known, known)
				}
				full := len(list) == count
				if evicted := s.put(next); evicted != (full && !known) {
					t.Fatalf("count %d, homes %d: evicted %v", count, homes, evicted)
				}
				if !known {
					if full {
						list = list[1:]
					}
					list = append(list, next)
				}
			}
			if !slices.Equal(s.inOrder(), list) {
				t.Errorf("count %d, homes %d: order differs", count, homes)
			}
			used := 0
			for _, at := range s.slots {
				if at != 0 {
					used++
				}
			}
			if used != len(list) {
				t.Errorf("count %d, homes %d: %d slots for %d IDs", count, homes, used, len(list))
			}
			for n := range uint64(2 * count) {
				if x := id(n, homes); s.has(x) != slices.Contains(list, x) {
					t.Errorf("count %d, homes %d: %d is known: %v", count, homes, n, s.has(x))
				}
			}
		}
	}
}

// TestSetIsFair compares the set with plain lists, one a source: the longest gives
// up its oldest, the source's own where it is as long; so each of n sources keeps
// its newest count/n.
func TestSetIsFair(t *testing.T) {
	for _, sources := range []int{1, 2, 5, 40} {
		const count = 97
		rng := rand.New(rand.NewPCG(uint64(sources), 0))
		s := newSet(count, nil)
		lists := make([][]sinks.ID, sources)
		sent := make([]uint64, sources)
		held := 0
		for range 40 * count {
			from := min(rng.IntN(sources), rng.IntN(sources)*rng.IntN(2)) // the first ones send the most
			next := idOf(uint32(from), sent[from])
			sent[from]++
			if held++; held > count {
				held--
				most := slices.MaxFunc(lists, func(a, b []sinks.ID) int { return len(a) - len(b) })
				if len(lists[from]) == len(most) {
					lists[from] = lists[from][1:]
				} else { // of several that are the longest, any
					for i := range lists {
						if len(lists[i]) == len(most) && s.sources[uint32(i)] == s.largest[0] {
							lists[i] = lists[i][1:]
						}
					}
				}
			}
			lists[from] = append(lists[from], next)
			s.put(next)
			for i, list := range lists {
				if len(list) > 0 && !s.has(list[0]) {
					t.Fatalf("%d sources: the oldest of source %d is gone", sources, i)
				}
				if kept := min(sent[i], uint64(count/sources)); kept > 0 && !s.has(idOf(uint32(i), sent[i]-kept)) {
					t.Fatalf("%d sources: source %d lost one of its newest %d", sources, i, kept)
				}
			}
		}
		inOrder := s.inOrder()
		if len(inOrder) != count {
			t.Fatalf("%d sources: %d IDs", sources, len(inOrder))
		}
		for i, list := range lists {
			own := slices.DeleteFunc(slices.Clone(inOrder), func(id sinks.ID) bool { return id.Source() != uint32(i) })
			if !slices.Equal(own, list) {
				t.Errorf("%d sources: the order of source %d differs", sources, i)
			}
		}
	}
}
