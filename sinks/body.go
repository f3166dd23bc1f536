package sinks

import (
	"encoding/binary"
	"errors"
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
	b := body{rest: src}
	r.Key, r.Value = b.nullable(), b.nullable()
	r.Headers = r.Headers[:0]
	for n := b.varint(); n > 0 && !b.bad; n-- {
		name, value := b.nullable(), b.nullable()
		r.Headers = append(r.Headers, Header{string(name), value})
	}
	if b.bad || len(b.rest) != 0 {
		return errBody
	}
	return nil
}

// BodyKey returns the key of an encoded record; nil is the null key.
func BodyKey(src []byte) []byte {
	b := body{rest: src}
	return b.nullable()
}

// BodyHeader returns the value of the first header of that name in an encoded
// record, or nil.
func BodyHeader(src []byte, name string) []byte {
	b := body{rest: src}
	b.nullable()
	b.nullable()
	for n := b.varint(); n > 0 && !b.bad; n-- {
		key, value := b.nullable(), b.nullable()
		if string(key) == name {
			return value
		}
	}
	return nil
}

// body reads an encoded record; once something does not fit, nothing does.
type body struct {
	rest []byte
	bad  bool
}

func (b *body) varint() int64 {
	v, n := binary.Varint(b.rest)
	if n <= 0 {
		b.bad, b.rest = true, nil
		return 0
	}
	b.rest = b.rest[n:]
	return v
}

func (b *body) nullable() []byte {
	n := b.varint()
	switch {
	case n == -1 && !b.bad:
		return nil
	case n < 0 || n > int64(len(b.rest)):
		b.bad, b.rest = true, nil
		return nil
	}
	out := b.rest[:n:n]
	b.rest = b.rest[n:]
	return out
}
