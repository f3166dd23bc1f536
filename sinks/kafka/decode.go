package kafka

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"

	"assent/sinks"
	"assent/wire"
)

// A batch is a record batch as a broker returned it; records is still
// compressed.
type batch struct {
	raw      []byte
	base     int64
	last     int64 // offset of its last record
	codec    codec
	id       identity
	sequence int32
	count    int32
	records  []byte
}

// errBatch: the text holds no byte of a record.
var errBatch = errors.New("not a record batch")

// cutBatch takes the first batch off src. A batch that is cut short, which a
// broker does at the end of an answer, or one in a format before v2, is an
// error.
func cutBatch(src []byte) (b batch, rest []byte, err error) {
	if len(src) < headerSize {
		return b, nil, errBatch
	}
	size := uint64(binary.BigEndian.Uint32(src[atLength:])) + afterLength
	if size < headerSize || size > uint64(len(src)) || src[atMagic] != magic {
		return b, nil, errBatch
	}
	raw, rest := src[:size], src[size:]
	b = batch{
		raw:      raw,
		base:     int64(binary.BigEndian.Uint64(raw)),
		codec:    codec(binary.BigEndian.Uint16(raw[atAttributes:]) & 7),
		id:       identity{int64(binary.BigEndian.Uint64(raw[atProducer:])), int16(binary.BigEndian.Uint16(raw[atEpoch:]))},
		sequence: int32(binary.BigEndian.Uint32(raw[atSequence:])),
		count:    int32(binary.BigEndian.Uint32(raw[atCount:])),
		records:  raw[headerSize:],
	}
	delta := int32(binary.BigEndian.Uint32(raw[atLastDelta:]))
	if b.base < 0 || delta < 0 || b.base > math.MaxInt64-int64(delta) || b.count < 0 || b.count > delta+1 {
		return b, nil, errBatch
	}
	b.last = b.base + int64(delta)
	return b, rest, nil
}

// whole reports whether compaction has removed nothing from the batch.
func (b *batch) whole() bool { return int64(b.count) == b.last-b.base+1 }

// each hands the index in the batch and the body of every record to f until f
// returns false.
func (b *batch) each(f func(index int64, body []byte) bool) error {
	if crc32.Checksum(b.raw[atAttributes:], castagnoli) != binary.BigEndian.Uint32(b.raw[atChecksum:]) {
		return errBatch
	}
	src, err := decompress(b.codec, b.records)
	if err != nil {
		return err
	}
	all := wire.Reader{Rest: src}
	for range b.count {
		record := wire.Reader{Rest: all.Take(int(all.Varint()))}
		record.Byte()   // attributes; a record that is not there is bad here
		record.Varint() // time delta
		index := record.Varint()
		if record.Bad || index < 0 || index > b.last-b.base {
			return errBatch
		}
		if !f(index, record.Rest) {
			return nil
		}
	}
	return nil
}

// eventID is the header that names an event in every record of it (CloudEvents,
// Kafka binding 3.2.3); a null value in a record's place has none.
const eventID = "ce_id"

// holds reports whether the batch holds these records: none has another event id
// than the record in its place, as far as both have one.
func (b *batch) holds(outgoing []sinks.Outgoing) (bool, error) {
	same := true
	err := b.each(func(index int64, body []byte) bool {
		if index >= int64(len(outgoing)) {
			same = false
			return false
		}
		there, here := sinks.BodyHeader(body, eventID), sinks.BodyHeader(outgoing[index].Body, eventID)
		same = there == nil || here == nil || bytes.Equal(there, here)
		return same
	})
	return same && err == nil, err
}
