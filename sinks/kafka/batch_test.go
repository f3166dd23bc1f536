package kafka

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"assent/sinks"
)

// annotated returns the bytes of lines that end in a comment.
func annotated(t *testing.T, lines string) []byte {
	t.Helper()
	var digits strings.Builder
	for line := range strings.Lines(lines) {
		line, _, _ = strings.Cut(line, "//")
		digits.WriteString(strings.Join(strings.Fields(line), ""))
	}
	out, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Written by hand from the description of the record batch in Kafka's
// documentation, its checksum
// worked out bit by bit.
const golden = `
	0000005d             // size of the record set
	0000000000000000     // base offset: the broker's to give
	00000051             // batch length: 93 - 12
	ffffffff             // partition leader epoch: the broker's to give
	02                   // magic
	7829d20c             // CRC-32C from the attributes on
	0000                 // attributes: not compressed, create time, not transactional
	00000002             // last offset delta
	0000019000000000     // first timestamp
	0000019000000005     // max timestamp
	0000000000000fa0     // producer id 4000
	0003                 // producer epoch
	7fffffff             // base sequence
	00000003             // records
	1c 00 00 00          // length 14, attributes, timestamp delta 0, offset delta 0
	02 6b 04 7b7d 02 02 61 04 7879 // key k, value {}, 1 header, a = xy
	0e 00 0a 02          // length 7, attributes, timestamp delta +5, offset delta 1
	01 01 00 01          // a body, which is carried as it is
	10 00 cf0f 04        // length 8, attributes, timestamp delta -1000, offset delta 2
	01 01 00 01
`

func goldenRecords() []sinks.Outgoing {
	return []sinks.Outgoing{
		{Body: []byte("\x02k\x04{}\x02\x02a\x04xy"), Time: 0x19000000000},
		{Body: []byte{1, 1, 0, 1}, Time: 0x19000000005},
		{Body: []byte{1, 1, 0, 1}, Time: 0x19000000000 - 1000},
	}
}

func TestBatchIsWhatTheFormatSays(t *testing.T) {
	set, plain, err := newEncoder(codecNone).appendBatch([]byte("before"), identity{4000, 3}, math.MaxInt32, goldenRecords())
	if err != nil {
		t.Fatal(err)
	}
	set = set[len("before"):]
	want := annotated(t, golden)
	if !bytes.Equal(set, want) {
		t.Errorf("\n%s\nwant\n%s", hex.Dump(set), hex.Dump(want))
	}
	if plain != len(set)-sizePrefix-headerSize {
		t.Errorf("%d bytes before compression, want %d", plain, len(set)-sizePrefix-headerSize)
	}
}

// someRecords returns n records like those of events, some of which have no
// key, no value or nothing but a header that says why.
func someRecords(n int) []sinks.Outgoing {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	all := make([]sinks.Outgoing, n)
	for i := range all {
		rec := sinks.Record{
			Key:     fmt.Appendf(nil, "visitor-%d", r.IntN(50)),
			Value:   fmt.Appendf(nil, `{"type":"track","event":"e%d","properties":{"price":%d,"url":"https://shop.example/%x"}}`, r.IntN(9), r.IntN(1e6), r.Uint64()),
			Headers: []sinks.Header{{Key: "ce_id", Value: fmt.Appendf(nil, "%016x", r.Uint64())}, {Key: "ce_type", Value: []byte("track")}},
		}
		switch i % 10 {
		case 3:
			rec.Key = nil
		case 7:
			rec.Value, rec.Headers = nil, []sinks.Header{{Key: "privacy-withheld", Value: []byte("1")}}
		}
		all[i] = sinks.Outgoing{Body: sinks.AppendBody(nil, &rec), Time: 1_760_000_000_000 + r.Int64N(2e6) - 1e6}
	}
	return all
}

func eachCodec(t *testing.T, f func(t *testing.T, name string, c codec)) {
	for name, c := range codecs {
		t.Run("codec="+name, func(t *testing.T) { f(t, name, c) })
	}
}

// Two decoders that share no code with the encoder, nor with each other, read
// back what went in. kafka-go's checks the checksum.
func TestOthersReadTheBatch(t *testing.T) {
	eachCodec(t, func(t *testing.T, _ string, c codec) {
		enc := newEncoder(c)
		for _, n := range []int{1, 2, 63, 64, 1000} {
			in := someRecords(n)
			set, _, err := enc.appendBatch(nil, identity{77, 5}, 123456, in)
			if err != nil {
				t.Fatal(err)
			}
			t.Run(fmt.Sprint("franz-go, records=", n), func(t *testing.T) { readByFranz(t, set, in) })
			t.Run(fmt.Sprint("kafka-go, records=", n), func(t *testing.T) { readByDriver(t, set, in) })
			t.Run(fmt.Sprint("own, records=", n), func(t *testing.T) { readByOwn(t, set, in) })
		}
	})
}

func readByFranz(t *testing.T, set []byte, in []sinks.Outgoing) {
	var b kmsg.RecordBatch
	if err := b.ReadFrom(set[sizePrefix:]); err != nil {
		t.Fatal(err)
	}
	first, last := in[0].Time, in[0].Time
	for _, p := range in {
		last = max(last, p.Time)
	}
	if b.ProducerID != 77 || b.ProducerEpoch != 5 || b.FirstSequence != 123456 || int(b.NumRecords) != len(in) ||
		int(b.LastOffsetDelta) != len(in)-1 || b.FirstTimestamp != first || b.MaxTimestamp != last || b.PartitionLeaderEpoch != -1 {
		t.Errorf("header %+v", b)
	}
	all, err := kfake.BatchRecords(b)
	if err != nil || len(all) != len(in) {
		t.Fatalf("%d records, %v", len(all), err)
	}
	for i, r := range all {
		back := sinks.Record{Key: r.Key, Value: r.Value}
		for _, h := range r.Headers {
			back.Headers = append(back.Headers, sinks.Header{Key: h.Key, Value: h.Value})
		}
		if got := sinks.AppendBody(nil, &back); !bytes.Equal(got, in[i].Body) {
			t.Fatalf("record %d reads %q, want %q", i, got, in[i].Body)
		}
		if r.OffsetDelta != int32(i) || first+r.TimestampDelta64 != in[i].Time {
			t.Fatalf("record %d: offset delta %d, time delta %d", i, r.OffsetDelta, r.TimestampDelta64)
		}
	}
}

func readByDriver(t *testing.T, set []byte, in []sinks.Outgoing) {
	var rs protocol.RecordSet
	if _, err := rs.ReadFrom(bytes.NewBuffer(set)); err != nil {
		t.Fatal(err)
	}
	for i := 0; ; i++ {
		r, err := rs.Records.ReadRecord()
		if err == io.EOF && i == len(in) {
			return
		}
		if err != nil {
			t.Fatalf("record %d of %d: %v", i, len(in), err)
		}
		key, _ := protocol.ReadAll(r.Key)
		value, _ := protocol.ReadAll(r.Value)
		back := sinks.Record{Key: key, Value: value}
		for _, h := range r.Headers {
			back.Headers = append(back.Headers, sinks.Header(h))
		}
		if got := sinks.AppendBody(nil, &back); !bytes.Equal(got, in[i].Body) || r.Time.UnixMilli() != in[i].Time {
			t.Fatalf("record %d reads %q at %d, want %q at %d", i, got, r.Time.UnixMilli(), in[i].Body, in[i].Time)
		}
	}
}

func readByOwn(t *testing.T, set []byte, in []sinks.Outgoing) {
	b, rest, err := cutBatch(set[sizePrefix:])
	if err != nil || len(rest) != 0 || !b.whole() || b.id != (identity{77, 5}) || b.sequence != 123456 {
		t.Fatalf("%+v, %d bytes left, %v", b, len(rest), err)
	}
	n := int64(0)
	if err := b.each(func(index int64, body []byte) bool {
		if index != n || !bytes.Equal(body, in[n].Body) {
			t.Fatalf("record %d at %d reads %q", n, index, body)
		}
		n++
		return true
	}); err != nil || n != int64(len(in)) {
		t.Fatalf("%d records, %v", n, err)
	}
}

func TestHolds(t *testing.T) {
	in := []sinks.Outgoing{record("k", "a", "{}"), nulled("k"), record("k", "c", "{}")}
	set, _, err := newEncoder(codecNone).appendBatch(nil, identity{}, 0, in)
	if err != nil {
		t.Fatal(err)
	}
	b, _, err := cutBatch(set[sizePrefix:])
	if err != nil {
		t.Fatal(err)
	}
	f := func(want bool, all ...sinks.Outgoing) {
		t.Helper()
		if got, err := b.holds(all); got != want || err != nil {
			t.Errorf("%v, %v, want %v", got, err, want)
		}
	}
	f(true, in...)
	f(true, nulled("k"), nulled("k"), nulled("k"))                // withheld since
	f(true, in[0], record("k", "b", "{}"), in[2])                 // withheld there
	f(false, in[0], in[1], record("k", "d", "{}"))                // the last one is another
	f(false, record("k", "c", "{}"), in[1], record("k", "a", "")) // another order
	f(false, in[0], in[1])
	b.raw[len(b.raw)-1] ^= 1
	if got, err := b.holds(in); got || err == nil {
		t.Error("a flipped bit goes unnoticed")
	}
}

func TestVarintSize(t *testing.T) {
	f := func(v int64) {
		t.Helper()
		if got, want := varintSize(v), len(appendRecord(nil, 0, v, nil))-4+1; got != want {
			t.Errorf("%d takes %d bytes, want %d", v, got, want)
		}
	}
	for _, v := range []int64{0, -1, 1, -64, 63, 64, -65, 8191, 8192, -8193, math.MaxInt32, math.MinInt32} {
		f(v)
	}
}

// The cases of the Java client's DefaultRecordBatchTest.testIncrementSequence.
func TestAddSequence(t *testing.T) {
	f := func(from int32, n int, want int32) {
		t.Helper()
		if got := addSequence(from, n); got != want {
			t.Errorf("%d + %d is %d, want %d", from, n, got, want)
		}
	}
	f(5, 5, 10)
	f(math.MaxInt32-1, 1, math.MaxInt32)
	f(math.MaxInt32, 1, 0)
	f(math.MaxInt32-5, 10, 4)
}

// fit returns a batch with the checksum it should have.
func fit(raw []byte) []byte {
	out := bytes.Clone(raw)
	binary.BigEndian.PutUint32(out[atChecksum:], crc32.Checksum(out[atAttributes:], castagnoli))
	return out
}
