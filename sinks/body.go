package sinks

import (
	"encoding/binary"
	"errors"

	"assent/wire"
)

// AppendBody appends a record as the log downstream stores it, and returns the
// longer buffer: the part of a record of Kafka's message format v2 that begins
// with the key's length. What is journaled is what is sent, encoded once.
//
//	key length, key, value length, value, header count, (name length, name, value length, value)…
//
// Lengths are zigzag varints; -1 is a null key or value. A nil header value is
// an empty one.
func AppendBody(dst []byte, r *Record) []byte {
	dst = appendNullable(dst, r.Key)
	dst = appendNullable(dst, r.Value)
	dst = binary.AppendVarint(dst, int64(len(r.Headers)))
	for i := range r.Headers {
		h := &r.Headers[i]
		dst = binary.AppendVarint(dst, int64(len(h.Key)))
		dst = append(dst, h.Key...)
		dst = binary.AppendVarint(dst, int64(len(h.Value)))
		dst = append(dst, h.Value...)
	}
	return dst
}

func appendNullable(dst, b []byte) []byte {
	if b == nil {
		return binary.AppendVarint(dst, -1)
	}
	dst = binary.AppendVarint(dst, int64(len(b)))
	return append(dst, b...)
}

// errBody: the text holds no byte of the record.
var errBody = errors.New("not an encoded record")

// ParseBody reads what AppendBody wrote into r, reusing r.Headers. Keys and
// values point into src; header names are copied. The topic is left as it is.
func ParseBody(src []byte, r *Record) error {
	b := wire.Reader{Rest: src}
	r.Key, r.Value = nullable(&b), nullable(&b)
	r.Headers = r.Headers[:0]
	for n := b.Varint(); n > 0 && !b.Bad; n-- {
		name, value := nullable(&b), nullable(&b)
		r.Headers = append(r.Headers, Header{string(name), value})
	}
	if !b.End() {
		return errBody
	}
	return nil
}

// BodyKey returns the key of an encoded record; nil is the null key.
func BodyKey(src []byte) []byte {
	b := wire.Reader{Rest: src}
	return nullable(&b)
}

// BodyHeader returns the value of the first header of that name in an encoded
// record, or nil.
func BodyHeader(src []byte, name string) []byte {
	b := wire.Reader{Rest: src}
	nullable(&b)
	nullable(&b)
	for n := b.Varint(); n > 0 && !b.Bad; n-- {
		key, value := nullable(&b), nullable(&b)
		if string(key) == name {
			return value
		}
	}
	return nil
}

// nullable reads a key, value or name.
func nullable(r *wire.Reader) []byte {
	n := r.Varint()
	if n == -1 {
		return nil
	}
	return r.Take(int(n))
}
