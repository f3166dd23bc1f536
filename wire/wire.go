// Package wire reads binary fields off a slice.
package wire

import "encoding/binary"

// A Reader reads one field after the other. Once a field does not fit, Bad is set,
// Rest is empty, and every field that follows is zero: callers look at Bad once, at
// the end. Slices point into what is read.
type Reader struct {
	Rest []byte
	Bad  bool
}

// Fail gives up the rest.
func (r *Reader) Fail() { r.Rest, r.Bad = nil, true }

// End reports whether all was read and every field fitted.
func (r *Reader) End() bool { return !r.Bad && len(r.Rest) == 0 }

// Take reads n bytes; nil if they are not there, also if n is negative.
func (r *Reader) Take(n int) []byte {
	if n < 0 || n > len(r.Rest) {
		r.Fail()
		return nil
	}
	out := r.Rest[:n:n]
	r.Rest = r.Rest[n:]
	return out
}

// Bytes reads a length as a uvarint and so many bytes.
func (r *Reader) Bytes() []byte {
	n := r.Uvarint()
	if n > uint64(len(r.Rest)) {
		r.Fail()
		return nil
	}
	return r.Take(int(n))
}

// Byte reads one byte.
func (r *Reader) Byte() byte {
	if b := r.Take(1); b != nil {
		return b[0]
	}
	return 0
}

// Uint64 reads eight bytes, little endian.
func (r *Reader) Uint64() uint64 {
	if b := r.Take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// Int16 reads two bytes, big endian, as Kafka writes them.
func (r *Reader) Int16() int16 {
	if b := r.Take(2); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

// Int32 reads four bytes, big endian, as Kafka writes them.
func (r *Reader) Int32() int32 {
	if b := r.Take(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

// Uvarint reads an unsigned number of variable length.
func (r *Reader) Uvarint() uint64 {
	v, n := binary.Uvarint(r.Rest)
	if n <= 0 {
		r.Fail()
		return 0
	}
	r.Rest = r.Rest[n:]
	return v
}

// Varint reads a zigzag number of variable length.
func (r *Reader) Varint() int64 {
	v, n := binary.Varint(r.Rest)
	if n <= 0 {
		r.Fail()
		return 0
	}
	r.Rest = r.Rest[n:]
	return v
}
