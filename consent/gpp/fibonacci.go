// Package gpp reads the strings of IAB Tech Lab's Global Privacy Platform: a header that
// lists sections by their ids, then those sections, in that order.
//
//	DBABLA  ~  CAAQAAAAAABA.QA      header~section~section…
//	header     core       GPC       sub-section.sub-section…
//
// Numbers and lists of the header are written in Fibonacci codes. Almost all sections of
// the United States are one shape: a version, then answers of two bits each; layout.go
// has them in one table. Section 5 (Canada) is shaped like a TC string. Section 2 is one
// and is left as text for consent/tcf.
//
// Decoding and judging are apart: a string that was read may still hold a value that no
// specification defines, and then nothing is allowed by it. What a section allows is for
// consent to say.
//
// Sources: Global-Privacy-Platform, "Core/Consent String Specification" and "Sections"
// (commit of 2025-12-17); names of fields as @iabgpp/cmpapi 3.2.0 writes them.
package gpp

import (
	"math/bits"

	"assent/consent/bitstring"
)

// maxID is the highest id of a section or vendor: ids are numbers of 16 bits.
const maxID = 1<<16 - 1

// fibonacci are the values of the places of a code: the last is the highest not above maxID.
var fibonacci = [...]int{1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610, 987, 1597, 2584, 4181, 6765, 10946, 17711, 28657, 46368}

// number reads one Fibonacci code: the sum of the places that are set, up to the first
// two set places in a row, of which the second only ends the code.
func number(r *bitstring.Reader) int {
	at := r.At()
	ahead := r.From(at)
	width := min(ahead.Left(), len(fibonacci)+1)
	code := ahead.Uint(width) << (64 - width)
	end := bits.LeadingZeros64(code & (code << 1))
	if end == 64 && width <= len(fibonacci) {
		r.Skip(width + 1) // the text ends in the code
		return 0
	}
	n := 0
	for places := code; end < 64; {
		place := bits.LeadingZeros64(places)
		if place > end {
			break
		}
		n += fibonacci[place]
		places &^= 1 << (63 - place)
	}
	if n == 0 || n > maxID {
		r.Fail("a number above 65535", at)
		return 0
	}
	r.Skip(end + 2)
	return n
}

// list reads a Range(Fibonacci) into ids, ascending, and returns how many there are. More
// than ids can hold is an error, found before any is written: a few bytes can announce
// thousands of ranges of thousands of ids.
func list(r *bitstring.Reader, ids []uint16) (n int) {
	last := 0
	for count := r.Int(12); count > 0 && r.Err() == nil; count-- {
		group, at := r.Bool(), r.At()
		first := last + number(r)
		last = first
		if group {
			last += number(r)
		}
		if last-first >= len(ids)-n {
			r.Fail("more ids than parts that follow", at)
		}
		if last > maxID {
			r.Fail("an id above 65535", at)
		}
		if r.Err() != nil {
			return 0
		}
		for id := first; id <= last; id++ {
			ids[n] = uint16(id)
			n++
		}
	}
	return n
}

// rest is where the first bit is set of those that are left, -1 where all are zero:
// encoders fill up to 6, 8 or 24 bits. It reads to the end.
func rest(r *bitstring.Reader) int {
	for r.Left() > 0 {
		width, at := min(r.Left(), 56), r.At()
		if v := r.Uint(width); v != 0 {
			return at + width - bits.Len64(v)
		}
	}
	return -1
}

// finish holds a text to its end: after its last field there are zeros alone.
func finish(r *bitstring.Reader) {
	if at := rest(r); at >= 0 {
		r.Fail("bits after the last field", at)
	}
}
