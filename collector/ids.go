package collector

import (
	"encoding/hex"
	"math/rand/v2"
	"time"
)

// ids makes UUIDv7 values (RFC 9562, 5.7) without allocating. The random part
// comes from a ChaCha8 stream seeded by the operating system: unique over a
// fleet, and nobody can tell one record's id from another's.
type ids struct {
	rng *rand.ChaCha8
	buf [36]byte
}

// next returns the id's text, valid until the next call.
func (g *ids) next(now time.Time) []byte {
	putUUID(&g.buf, uint64(now.UnixMilli()), g.rng.Uint64(), g.rng.Uint64())
	return g.buf[:]
}

// putUUID writes the UUIDv7 of a time and 74 of the random bits in a and b.
func putUUID(s *[36]byte, ms, a, b uint64) {
	var u [16]byte
	for i := range 6 {
		u[i] = byte(ms >> (40 - 8*i))
	}
	u[6] = 0x70 | byte(a>>8)&0x0f
	u[7] = byte(a)
	for i := range 8 {
		u[8+i] = byte(b >> (56 - 8*i))
	}
	u[8] = 0x80 | u[8]&0x3f
	hex.Encode(s[0:8], u[0:4])
	s[8] = '-'
	hex.Encode(s[9:13], u[4:6])
	s[13] = '-'
	hex.Encode(s[14:18], u[6:8])
	s[18] = '-'
	hex.Encode(s[19:23], u[8:10])
	s[23] = '-'
	hex.Encode(s[24:36], u[10:16])
}
