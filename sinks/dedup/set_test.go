package dedup

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"assent/sinks"
)

// id is the n-th ID of a test. The first bytes say where a search begins, so few
// distinct ones make long probes.
func id(n, homes uint64) (id sinks.ID) {
	binary.LittleEndian.PutUint64(id[:], n%homes)
	binary.BigEndian.PutUint64(id[8:], n+1)
	return id
}

// TestSetIsAQueue compares the set with a plain list: the last count IDs, each
// once, the oldest gone first, however badly they collide.
func TestSetIsAQueue(t *testing.T) {
	for _, count := range []int{2, 3, 7, 64, 300} {
		for _, homes := range []uint64{1, 3, 1 << 20} {
			rng := rand.New(rand.NewPCG(uint64(count), homes))
			s := newSet(count)
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
