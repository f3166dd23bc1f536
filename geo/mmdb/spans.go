package mmdb

import (
	"cmp"
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
)

// spans gives every address of one family a word: starts[i] is the first address of
// the i-th span, which reaches to the next one's start. Neighbours differ in their
// words, so a file's networks shrink to a third.
//
// first leads from an address's bucket, 16 of its leading bits, to the spans which
// start there, so that a search stays within a few cache lines.
type spans[K key[K]] struct {
	starts []K
	words  []uint16
	first  []uint32 // spans that start before bucket b
}

// key is an address as a number.
type key[K any] interface {
	comparable
	compare(K) int
	// bucket grows with the address.
	bucket() int
	// after returns the first address past the network of that many bits; false at
	// the end of the space.
	after(bits int) (K, bool)
}

const buckets = 1 << 16

var errOrder = errors.New("networks overlap")

// newSpans gives word 0 to every address from origin on.
func newSpans[K key[K]](origin K) *spans[K] {
	return &spans[K]{starts: []K{origin}, words: []uint16{0}}
}

// add sets the word of a network. Networks come in ascending order.
func (s *spans[K]) add(from K, bits int, word uint16) error {
	if from.compare(s.starts[len(s.starts)-1]) < 0 {
		return errOrder
	}
	s.set(from, word)
	if next, ok := from.after(bits); ok {
		s.set(next, 0)
	}
	return nil
}

// set gives the word to every address from k on, which is not before the last start.
func (s *spans[K]) set(k K, word uint16) {
	last := len(s.starts) - 1
	if s.starts[last] == k {
		s.words[last] = word
		if last > 0 && s.words[last-1] == word {
			s.starts, s.words = s.starts[:last], s.words[:last]
		}
	} else if s.words[last] != word {
		s.starts, s.words = append(s.starts, k), append(s.words, word)
	}
}

// seal makes the spans ready for look-ups.
func (s *spans[K]) seal() {
	s.starts, s.words = slices.Clone(s.starts), slices.Clone(s.words)
	s.first = make([]uint32, buckets+1)
	for _, k := range s.starts {
		s.first[k.bucket()+1]++
	}
	for b := range buckets {
		s.first[b+1] += s.first[b]
	}
}

// lookup returns the word of k, which is not before the origin.
func (s *spans[K]) lookup(k K) uint16 {
	b := k.bucket()
	lo, hi := s.first[b], s.first[b+1]
	for lo < hi {
		mid := (lo + hi) / 2
		if k.compare(s.starts[mid]) < 0 {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return s.words[lo-1]
}

// v4 is an IPv4 address.
type v4 uint32

func keyV4(addr netip.Addr) v4 {
	a := addr.As4()
	return v4(binary.BigEndian.Uint32(a[:]))
}

func (k v4) compare(o v4) int { return cmp.Compare(k, o) }
func (k v4) bucket() int      { return int(k >> 16) }

func (k v4) after(bits int) (v4, bool) {
	next := k + 1<<(32-bits)
	return next, next != 0
}

// v6 is an address of 2000::/3, the global unicast space; there are no others to ask
// for (see geo.Public).
type v6 struct{ hi, lo uint64 }

var globalUnicast = netip.MustParsePrefix("2000::/3")

func keyV6(addr netip.Addr) v6 {
	a := addr.As16()
	return v6{binary.BigEndian.Uint64(a[:8]), binary.BigEndian.Uint64(a[8:])}
}

func (k v6) compare(o v6) int {
	if k.hi != o.hi {
		return cmp.Compare(k.hi, o.hi)
	}
	return cmp.Compare(k.lo, o.lo)
}

// bucket leaves out the three bits which all have in common.
func (k v6) bucket() int { return int(k.hi >> (64 - 3 - 16) & (buckets - 1)) }

func (k v6) after(bits int) (v6, bool) {
	if bits > 64 {
		k.lo += 1 << (128 - bits)
		if k.lo != 0 {
			return k, true
		}
		bits = 64
	}
	k.hi += 1 << (64 - bits)
	return k, k.hi>>61 == 1
}
