package mmdb

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// testSpans adds random disjoint networks, ascending, and compares every address at
// an edge with a search through the list.
func testSpans[K key[K]](t *testing.T, origin, last K, width int, random func() K, mask func(K, int) K) {
	type network struct {
		from, last K
		bits       int
		word       uint16
	}
	for range 200 {
		var networks []network
		add := func(k K, bits int) {
			n := network{from: mask(k, bits), last: last, bits: bits, word: uint16(rand.IntN(3))}
			if next, ok := n.from.after(bits); ok {
				n.last = next // the first past it, unless it ends the space
			}
			for _, o := range networks {
				shorter := min(bits, o.bits)
				if mask(n.from, shorter) == mask(o.from, shorter) {
					return
				}
			}
			networks = append(networks, n)
		}
		add(last, width)
		add(origin, width)
		for range rand.IntN(20) {
			add(random(), 4+rand.IntN(width-3))
		}
		slices.SortFunc(networks, func(a, b network) int { return a.from.compare(b.from) })
		s := newSpans(origin)
		for _, n := range networks {
			if err := s.add(n.from, n.bits, n.word); err != nil {
				t.Fatal(err)
			}
		}
		s.seal()
		for i := 1; i < len(s.starts); i++ {
			if s.starts[i-1].compare(s.starts[i]) >= 0 || s.words[i-1] == s.words[i] {
				t.Fatalf("span %d of %v, %v", i, s.starts, s.words)
			}
		}
		for _, n := range networks {
			for _, k := range []K{n.from, n.last, random()} {
				var want uint16
				for _, o := range networks {
					if mask(k, o.bits) == o.from {
						want = o.word
					}
				}
				if got := s.lookup(k); got != want {
					t.Fatalf("%v: %d, want %d in %v", k, got, want, networks)
				}
			}
		}
	}
}

func TestSpansV4(t *testing.T) {
	testSpans(t, 0, math.MaxUint32, 32,
		func() v4 { return v4(rand.Uint32()) },
		func(k v4, bits int) v4 { return k >> (32 - bits) << (32 - bits) })
}

func TestSpansV6(t *testing.T) {
	random := func() v6 {
		k := v6{rand.Uint64()>>3 | 1<<61, rand.Uint64()}
		if rand.IntN(2) == 0 { // close together, across the two halves
			k.hi, k.lo = 1<<61|uint64(rand.IntN(3)), k.lo&^(math.MaxUint64>>4)
		}
		return k
	}
	testSpans(t, v6{1 << 61, 0}, v6{1<<62 - 1, math.MaxUint64}, 128, random, func(k v6, bits int) v6 {
		if bits <= 64 {
			return v6{k.hi >> (64 - bits) << (64 - bits), 0}
		}
		return v6{k.hi, k.lo >> (128 - bits) << (128 - bits)}
	})
}

func TestSpansOrder(t *testing.T) {
	s := newSpans(v4(0))
	if err := s.add(v4(1<<24), 8, 1); err != nil {
		t.Fatal(err)
	}
	if err := s.add(v4(1<<24+5), 32, 2); err == nil {
		t.Error("a network within another is accepted")
	}
}
