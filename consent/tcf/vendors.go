package tcf

import (
	"math/bits"

	"assent/consent/bitstring"
)

// Set is a set of ids from 1 on, of purposes or special features; bit i-1 stands for i.
type Set uint64

// Has reports whether an id is in the set.
func (s Set) Has(id int) bool { return id >= 1 && id <= 64 && s>>(id-1)&1 == 1 }

// With is the set with one id more.
func (s Set) With(id int) Set { return s | 1<<(id-1) }

// without is the set without some ids.
func (s Set) without(ids ...int) Set {
	for _, id := range ids {
		s &^= 1 << (id - 1)
	}
	return s
}

// readSet reads a field of bits of which the first stands for id 1.
func readSet(r *bitstring.Reader, width int) Set {
	return Set(bits.Reverse64(r.Uint(width) << (64 - width)))
}

// Vendors is a set of vendor ids, as it stands in a string: a field of bits, or ranges in
// any order, which may overlap. It is good until the String is parsed again.
type Vendors struct {
	from   bitstring.Reader // at the first range; the bits of a field
	most   int              // the largest id of a field
	ranges int              // -1: a field
}

// readVendors reads a section of MaxVendorId, IsRangeEncoding and a field or ranges.
func readVendors(r *bitstring.Reader) Vendors {
	most := r.Int(16)
	if r.Bool() {
		return readRanges(r, most)
	}
	return Vendors{from: r.From(r.Skip(most)), most: most, ranges: -1}
}

// readRanges reads NumEntries and that many ranges, each within 1 and most.
func readRanges(r *bitstring.Reader, most int) Vendors {
	v := Vendors{ranges: r.Int(12)}
	v.from = r.From(r.At())
	if r.Left() < 17*v.ranges {
		r.Skip(17 * v.ranges) // fewer than announced: an error that says so
		return v
	}
	for n := 0; n < v.ranges; n++ {
		at := r.At()
		start, end := readRange(r)
		if start == 0 || start > end || end > most {
			failRange(r, at, start, end)
			break
		}
	}
	return v
}

// failRange says what is wrong with a range that was read at a bit, if it was there.
func failRange(r *bitstring.Reader, at, start, end int) {
	switch {
	case start > end:
		r.Fail("a range that ends before it begins", at)
	case start == 0:
		r.Fail("a range from vendor 0", at)
	default:
		r.Fail("a range beyond the largest vendor", at)
	}
}

// readRange reads IsARange and one id or two.
func readRange(r *bitstring.Reader) (start, end int) {
	v := r.Int(1 + 16)
	start = v & (1<<16 - 1)
	if v>>16 == 0 {
		return start, start
	}
	return start, r.Int(16)
}

// Has reports whether a vendor is in the set.
func (v *Vendors) Has(id int) bool {
	if v.ranges < 0 {
		return id >= 1 && id <= v.most && v.from.Bit(v.from.At()+id-1)
	}
	r := v.from
	for range v.ranges {
		if start, end := readRange(&r); start <= id && id <= end {
			return true
		}
	}
	return false
}

// Each calls f with each range, in the order of the string. A field of bits gives its
// ranges in ascending order, none next to another.
func (v *Vendors) Each(f func(start, end int)) {
	if v.ranges >= 0 {
		r := v.from
		for range v.ranges {
			f(readRange(&r))
		}
		return
	}
	start := 0
	for id := 1; id <= v.most+1; id++ {
		switch in := id <= v.most && v.from.Bit(v.from.At()+id-1); {
		case in && start == 0:
			start = id
		case !in && start > 0:
			f(start, id-1)
			start = 0
		}
	}
}
