package kafka

import (
	"encoding/binary"
	"io"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"assent/wire"
)

const (
	fetchVersion = 4 // the oldest that brokers of version 4 take; every one since 0.11 does
	fetchBytes   = 4 << 20
	// maxFetch bounds an answer: a broker sends a first batch of any size.
	maxFetch = 128 << 20
)

// fetchRequest reads one partition. It is exchanged raw: the driver would unpack
// all records of all batches, of which a look-up needs the headers only.
type fetchRequest struct {
	topic     string
	partition int32
	offset    int64

	answer fetchAnswer
	buf    []byte
}

// fetchAnswer is what a broker sent; records is valid until the next request.
type fetchAnswer struct {
	code    kafkago.Error
	records []byte
}

var _ protocol.RawExchanger = (*fetchRequest)(nil)

// ApiKey implements protocol.Message.
func (r *fetchRequest) ApiKey() protocol.ApiKey { return protocol.Fetch }

// ApiKey implements protocol.Message.
func (r *fetchAnswer) ApiKey() protocol.ApiKey { return protocol.Fetch }

// Required implements protocol.RawExchanger.
func (r *fetchRequest) Required(map[protocol.ApiKey]int16) bool { return true }

// RawExchange implements protocol.RawExchanger.
func (r *fetchRequest) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	r.buf = r.append(r.buf[:0])
	if _, err := rw.Write(r.buf); err != nil {
		return nil, err
	}
	r.buf = append(r.buf[:0], 0, 0, 0, 0)
	if _, err := io.ReadFull(rw, r.buf); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(r.buf)
	if size > maxFetch {
		return nil, errAnswer
	}
	if uint32(cap(r.buf)) < size {
		r.buf = make([]byte, size)
	}
	r.buf = r.buf[:size]
	if _, err := io.ReadFull(rw, r.buf); err != nil {
		return nil, err
	}
	var err error
	r.answer, err = r.parse(r.buf)
	return &r.answer, err
}

// append appends the request (Fetch, version 4) with its size before it.
func (r *fetchRequest) append(dst []byte) []byte {
	start := len(dst)
	i16 := func(v int16) { dst = binary.BigEndian.AppendUint16(dst, uint16(v)) }
	i32 := func(v int32) { dst = binary.BigEndian.AppendUint32(dst, uint32(v)) }
	i64 := func(v int64) { dst = binary.BigEndian.AppendUint64(dst, uint64(v)) }
	text := func(s string) { i16(int16(len(s))); dst = append(dst, s...) }
	i32(0) // size
	i16(int16(protocol.Fetch))
	i16(fetchVersion)
	i32(0) // correlation: one request at a time
	text(clientID)
	i32(-1) // not a replica
	i32(0)  // milliseconds to wait
	i32(0)  // bytes to wait for
	i32(fetchBytes)
	dst = append(dst, 0) // uncommitted too: there are no transactions
	i32(1)
	text(r.topic)
	i32(1)
	i32(r.partition)
	i64(r.offset)
	i32(fetchBytes)
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-4))
	return dst
}

// parse reads the answer for one partition of one topic.
func (r *fetchRequest) parse(src []byte) (a fetchAnswer, err error) {
	d := wire.Reader{Rest: src}
	d.Take(4 + 4) // correlation, throttling
	one := d.Int32() == 1
	d.Take(int(d.Int16())) // topic
	one = one && d.Int32() == 1
	d.Take(4) // partition
	a.code = kafkago.Error(d.Int16())
	d.Take(8 + 8) // high watermark, last stable offset
	if aborted := d.Int32(); aborted > 0 {
		d.Take(16 * int(aborted))
	}
	a.records = d.Take(int(max(d.Int32(), 0)))
	if d.Bad || !one {
		return fetchAnswer{}, errAnswer
	}
	return a, nil
}
