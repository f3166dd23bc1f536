// Package uuid7 writes and reads UUIDs of version 7 (RFC 9562, 5.7): 48 bits of Unix
// milliseconds, then 74 random bits. Randomness and time are arguments.
package uuid7

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"time"
)

// Len is the length of an id's text.
const Len = 36

// Put writes the id of an instant in Unix milliseconds, with 74 of the random bits in
// a and b. It allocates nothing.
func Put(dst *[Len]byte, ms, a, b uint64) {
	var u [16]byte
	binary.BigEndian.PutUint64(u[:], ms<<16|a&0xffff)
	binary.BigEndian.PutUint64(u[8:], b)
	u[6] = 0x70 | u[6]&0x0f
	u[8] = 0x80 | u[8]&0x3f
	hex.Encode(dst[0:8], u[0:4])
	dst[8] = '-'
	hex.Encode(dst[9:13], u[4:6])
	dst[13] = '-'
	hex.Encode(dst[14:18], u[6:8])
	dst[18] = '-'
	hex.Encode(dst[19:23], u[8:10])
	dst[23] = '-'
	hex.Encode(dst[24:36], u[10:16])
}

// New makes the id of an instant with ten bytes of rand.
func New(rand io.Reader, now time.Time) (string, error) {
	var r [10]byte
	if _, err := io.ReadFull(rand, r[:]); err != nil {
		return "", fmt.Errorf("reading randomness: %w", err)
	}
	var s [Len]byte
	Put(&s, uint64(now.UnixMilli()), uint64(binary.BigEndian.Uint16(r[:2])), binary.BigEndian.Uint64(r[2:]))
	return string(s[:]), nil
}

// Time reads the instant of an id in its one canonical form, in lower case; false for
// any other text.
func Time(s string) (time.Time, bool) {
	if len(s) != Len || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' || s[14] != '7' {
		return time.Time{}, false
	}
	var ms int64
	for i := range Len {
		c := s[i]
		if i == 8 || i == 13 || i == 18 || i == 23 {
			continue
		}
		var v byte
		switch {
		case '0' <= c && c <= '9':
			v = c - '0'
		case 'a' <= c && c <= 'f':
			v = c - 'a' + 10
		default:
			return time.Time{}, false
		}
		if i < 13 {
			ms = ms<<4 | int64(v)
		}
	}
	return time.UnixMilli(ms), true
}
