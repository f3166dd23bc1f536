// Package bitstring reads the strings of bits in which consent managers write TC and
// GPP strings: base64url text, 6 bits a character, fields of any width, first bit first.
package bitstring

import (
	"encoding/binary"
	"strconv"
)

// MaxText is the longest text that is read, in bytes. Real strings have hundreds.
const MaxText = 8 << 10

// An Error says what is wrong, and at which bit of the text: character i starts at bit 6·i.
type Error struct {
	What string
	Bit  int
}

var tooLong = "longer than " + strconv.Itoa(MaxText) + " characters"

func (e *Error) Error() string { return e.What + ", at bit " + strconv.Itoa(e.Bit) }

// slack is what a Reader may look past the end of the text's bits.
const slack = 8

// Bits holds the bits of one text. The zero Bits is ready; one can be used again, for a
// text at a time.
type Bits struct {
	bytes [MaxText*6/8 + 8 + slack]byte
}

// bad marks what is no character of base64url.
const bad = 1 << 31

// sextets are the values of each character at each of four places in 24 bits.
var sextets = func() (t [4][256]uint32) {
	for place := range t {
		for i := range t[place] {
			t[place][i] = bad
		}
		for i, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") {
			t[place][c] = uint32(i) << (18 - 6*place)
		}
	}
	return t
}()

// Decode takes the bits of a text and returns a Reader at its first bit. Padding, the
// standard alphabet and spaces are errors; a length of 1 mod 4 and any last bits are
// not: encoders pad to 6, 8 or 24 bits as they like. The Reader is good until the next
// Decode.
func Decode[T string | []byte](b *Bits, text T) Reader {
	if len(text) > MaxText {
		return Reader{err: Error{tooLong, MaxText * 6}}
	}
	n, i := 0, 0
	t := &sextets
	for ; i+8 <= len(text); i += 8 {
		one := t[0][text[i]] | t[1][text[i+1]] | t[2][text[i+2]] | t[3][text[i+3]]
		two := t[0][text[i+4]] | t[1][text[i+5]] | t[2][text[i+6]] | t[3][text[i+7]]
		if (one|two)&bad != 0 {
			break // below, one by one
		}
		binary.BigEndian.PutUint64(b.bytes[n:], uint64(one)<<40|uint64(two)<<16)
		n += 6
	}
	var last uint64
	for j := i; j < len(text); j++ {
		s := t[3][text[j]]
		if s&bad != 0 {
			return Reader{err: Error{"no character of base64url", j * 6}}
		}
		last |= uint64(s) << (58 - 6*(j-i))
	}
	binary.BigEndian.PutUint64(b.bytes[n:], last)
	clear(b.bytes[n+8 : n+8+slack])
	return Reader{bytes: b.bytes[:], end: len(text) * 6}
}

// A Reader reads one field after the other. The first field that is not there, and the
// first call of Fail, set Err; every field after it is zero: callers look at Err once,
// at the end. The zero Reader has no bits.
type Reader struct {
	bytes []byte
	at    int
	end   int
	err   Error // What is empty: none
}

// Err is the first *Error.
func (r *Reader) Err() error {
	if r.err.What == "" {
		return nil
	}
	return &Error{r.err.What, r.err.Bit} // made here: whoever only tries a reading allocates nothing
}

// At is the bit that is read next.
func (r *Reader) At() int { return r.at }

// Left is the number of bits that are left; 0 after an error.
func (r *Reader) Left() int { return r.end - r.at }

// Fail gives up the rest: what is wrong at a bit.
func (r *Reader) Fail(what string, bit int) {
	if r.err.What == "" {
		r.err = Error{what, bit}
	}
	r.at = r.end
}

// Uint reads a number of up to 56 bits.
func (r *Reader) Uint(width int) uint64 {
	if r.at+width > r.end {
		r.short()
		return 0
	}
	if width == 0 {
		return 0 // a Reader of nothing has nothing to peek at
	}
	v := r.peek(r.at)
	r.at += width
	return v >> (64 - width)
}

// Int reads a number of up to 56 bits.
func (r *Reader) Int(width int) int { return int(r.Uint(width)) }

// Bool reads one bit.
func (r *Reader) Bool() bool { return r.Uint(1) == 1 }

// Skip passes over bits and returns the first of them, for At.
func (r *Reader) Skip(width int) (at int) {
	if width < 0 || width > r.end-r.at {
		r.short()
		return r.at
	}
	at = r.at
	r.at += width
	return at
}

// Bit is the bit at a place that Skip returned, or after it.
func (r *Reader) Bit(at int) bool {
	return at < r.end && r.bytes[at/8]>>(7-at%8)&1 == 1
}

// From is a Reader of the same bits, from a place that Skip or At returned.
func (r *Reader) From(at int) Reader {
	return Reader{bytes: r.bytes, at: min(at, r.end), end: r.end}
}

func (r *Reader) short() { r.Fail("the text ends too early", r.end) }

// peek is the 57 or more bits from a bit on, first bit highest.
func (r *Reader) peek(at int) uint64 {
	return binary.BigEndian.Uint64(r.bytes[at/8:]) << (at % 8)
}
