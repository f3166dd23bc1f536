package kafka

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/bits"
	"runtime"

	"assent/sinks"
)

// identity is who a producer is to the brokers.
type identity struct {
	producer int64
	epoch    int16
}

// Where a batch's fields are, from its first byte.
const (
	atLength     = 8
	atMagic      = 16
	atChecksum   = 17
	atAttributes = 21
	atLastDelta  = 23
	atFirstTime  = 27
	atLastTime   = 35
	atProducer   = 43
	atEpoch      = 51
	atSequence   = 53
	atCount      = 57
	headerSize   = 61

	afterLength = 12 // length counts from here
	magic       = 2
	sizePrefix  = 4 // of the record set that holds one batch
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// An encoder makes record batches. One goroutine at a time uses it.
type encoder struct {
	codec    codec
	compress compressor
	plain    []byte
}

func newEncoder(c codec) *encoder { return &encoder{codec: c, compress: newCompressor(c)} }

// newEncoders returns as many encoders as may work at once, one for every two
// processors: while a backlog drains, the others are left to those who send.
func newEncoders(c codec) chan *encoder {
	all := make(chan *encoder, max(1, runtime.GOMAXPROCS(0)/2))
	for range cap(all) {
		all <- newEncoder(c)
	}
	return all
}

// appendBatch appends a record set of one batch, its size first, to dst. The
// same arguments give the same bytes. plain is the size of the records before
// they were compressed.
func (e *encoder) appendBatch(dst []byte, id identity, sequence int32, outgoing []sinks.Outgoing) (out []byte, plain int, err error) {
	start := len(dst) + sizePrefix
	dst = append(dst, make([]byte, sizePrefix+headerSize)...)
	first, last := outgoing[0].Time, outgoing[0].Time
	records := e.plain[:0]
	if e.codec == codecNone {
		records = dst
	}
	from := len(records)
	for i := range outgoing {
		records = appendRecord(records, int64(i), outgoing[i].Time-first, outgoing[i].Body)
		last = max(last, outgoing[i].Time)
	}
	plain = len(records) - from
	if e.codec == codecNone {
		dst = records
	} else {
		e.plain = records
		if dst, err = e.compress(dst, records); err != nil {
			return nil, 0, fmt.Errorf("compressing records: %w", err)
		}
	}
	b := dst[start:]
	binary.BigEndian.PutUint32(dst[start-sizePrefix:], uint32(len(b)))
	binary.BigEndian.PutUint32(b[atLength:], uint32(len(b)-afterLength))
	binary.BigEndian.PutUint32(b[afterLength:], ^uint32(0)) // the broker knows the leader's epoch
	b[atMagic] = magic
	binary.BigEndian.PutUint16(b[atAttributes:], uint16(e.codec))
	binary.BigEndian.PutUint32(b[atLastDelta:], uint32(len(outgoing)-1))
	binary.BigEndian.PutUint64(b[atFirstTime:], uint64(first))
	binary.BigEndian.PutUint64(b[atLastTime:], uint64(last))
	binary.BigEndian.PutUint64(b[atProducer:], uint64(id.producer))
	binary.BigEndian.PutUint16(b[atEpoch:], uint16(id.epoch))
	binary.BigEndian.PutUint32(b[atSequence:], uint32(sequence))
	binary.BigEndian.PutUint32(b[atCount:], uint32(len(outgoing)))
	binary.BigEndian.PutUint32(b[atChecksum:], crc32.Checksum(b[atAttributes:], castagnoli))
	return dst, plain, nil
}

func appendRecord(dst []byte, index, delta int64, body []byte) []byte {
	dst = binary.AppendVarint(dst, int64(1+varintSize(delta)+varintSize(index)+len(body)))
	dst = append(dst, 0)
	dst = binary.AppendVarint(dst, delta)
	dst = binary.AppendVarint(dst, index)
	return append(dst, body...)
}

// varintSize returns how many bytes v takes as a zigzag varint.
func varintSize(v int64) int {
	return (bits.Len64(uint64(v<<1)^uint64(v>>63)|1) + 6) / 7
}

// addSequence counts on as brokers do: after the largest int32 comes 0.
func addSequence(sequence int32, n int) int32 {
	return int32((int64(sequence) + int64(n)) & 0x7fffffff)
}
