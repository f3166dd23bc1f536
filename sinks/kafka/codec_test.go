package kafka

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	kafkago "github.com/segmentio/kafka-go"

	"assent/sinks"
	kafkatest "assent/test/kafka"
)

// Kafka's own consumer and kcat read every codec; the log holds the batch as it
// was sent.
func TestConsumersReadEveryCodec(t *testing.T) {
	b := kafkatest.Shared(t)
	eachCodec(t, func(t *testing.T, name string, c codec) {
		topic := topicFor(t, b, 1)
		f := open(t, b, func(o *Options) { o.Compression = name })
		p := partitionOf(t, f, topic, "k")
		all := records("a", 500)
		all[7] = nulled("k")
		mustSend(t, f, p, reserve(t, f, p, len(all)), all, false)

		log, err := os.ReadFile(b.LogFile(topic, 0))
		if err != nil {
			t.Fatal(err)
		}
		if got, rest, err := cutBatch(log); err != nil || len(rest) != 0 || got.codec != c || got.count != 500 {
			t.Errorf("the log holds %d records of codec %d, %v, want one batch of codec %d", got.count, got.codec, err, c)
		}
		messages := b.ReadAll(t, topic)
		lines := bytes.Split(bytes.TrimSpace(b.Tool(t, "", "org.apache.kafka.tools.consumer.ConsoleConsumer", "--topic", topic,
			"--from-beginning", "--max-messages", "500", "--timeout-ms", "20000",
			"--property", "print.key=true", "--property", "print.headers=true")), []byte("\n"))
		if len(messages) != 500 || len(lines) < 500 {
			t.Fatalf("kcat reads %d records, the console consumer %d, want 500", len(messages), len(lines))
		}
		for i, m := range messages {
			value, headers := fmt.Sprintf(`{"n":%d}`, i), fmt.Sprintf("ce_id:a-%d,privacy-regime:gdpr", i)
			if i == 7 {
				value, headers = "null", "privacy-withheld:1"
			}
			if want := headers + "\tk\t" + value; string(lines[i]) != want {
				t.Fatalf("the console consumer reads %q, want %q", lines[i], want)
			}
			if i != 7 && text(m.Value) != value {
				t.Fatalf("kcat reads %q, want %q", text(m.Value), value)
			}
		}
	})
}

// What somebody else compressed unpacks as well: kafka-go's codecs frame snappy
// as Java does.
func TestDecompressForeign(t *testing.T) {
	for _, c := range []codec{codecGzip, codecSnappy, codecLz4, codecZstd} {
		for _, size := range []int{1, 1000, 300_000} {
			in := []byte(strings.Repeat("some text, again and again. ", size/28+1))[:size]
			var out bytes.Buffer
			w := kafkago.Compression(c).Codec().NewWriter(&out)
			if _, err := w.Write(in); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			got, err := decompress(c, out.Bytes())
			if err != nil || !bytes.Equal(got, in) {
				t.Errorf("codec %d: %d bytes, %v, want %d", c, len(got), err, size)
			}
		}
	}
}

// What unpacks to more than may be read is refused without unpacking it.
func TestDecompressIsBounded(t *testing.T) {
	zeros := make([]byte, maxPlain+1)
	for _, c := range []codec{codecGzip, codecLz4, codecZstd} {
		bomb, err := newCompressor(c)(nil, zeros)
		if err != nil {
			t.Fatal(err)
		}
		if out, err := decompress(c, bomb); err == nil {
			t.Errorf("codec %d: %d bytes out of %d", c, len(out), len(bomb))
		}
	}
	claim := binary.AppendUvarint(nil, 1<<30) // a block's length as it says itself
	if _, err := decompress(codecSnappy, append(claim, 0, 0)); err != errUnpacked {
		t.Errorf("snappy: %v, want %v", err, errUnpacked)
	}
	framed := append(append([]byte{}, xerial...), 0, 0, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff)
	if _, err := decompress(codecSnappy, framed); err != io.ErrUnexpectedEOF {
		t.Errorf("framed snappy: %v, want %v", err, io.ErrUnexpectedEOF)
	}
	if _, err := decompress(7, nil); err == nil {
		t.Error("an unknown codec is no error")
	}
}

// A broker's log, or what claims to be one, is cut into batches and unpacked:
// no panic, no more memory than bounded, and what was encoded is found again.
func FuzzBatches(f *testing.F) {
	ids := identity{9, 1}
	for _, c := range codecs {
		set, _, err := newEncoder(c).appendBatch(nil, ids, 3, someRecords(4))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(append(set[sizePrefix:], set[sizePrefix:]...))
		huge := bytes.Clone(set[sizePrefix:])
		binary.BigEndian.PutUint32(huge[atCount:], 1<<30)
		binary.BigEndian.PutUint32(huge[atLastDelta:], 1<<30)
		f.Add(huge)
	}
	f.Add(bytes.Repeat([]byte{0xff}, 100))
	f.Fuzz(func(t *testing.T, src []byte) {
		s := scan{attempt: &attempt{reservation: reservation{named: named{id: ids}, sequence: 3, count: 4}, outgoing: someRecords(4)}}
		if _, err := s.read(src); err != nil && err != errBatch {
			t.Fatal(err)
		}
		for rest := src; ; {
			b, after, err := cutBatch(rest)
			if err != nil {
				return
			}
			rest = after
			// A checksum that fits lets the fuzzer reach what is behind it.
			fitted := fit(b.raw)
			if b, _, err = cutBatch(fitted); err != nil {
				t.Fatal(err)
			}
			b.each(func(index int64, body []byte) bool {
				var r sinks.Record
				sinks.ParseBody(body, &r)
				return index >= 0 && index <= b.last-b.base
			})
		}
	})
}

// FuzzFetch: a broker's answer is read or refused.
func FuzzFetch(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x01t\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00" +
		"\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x05\xff\xff\xff\xff\x00\x00\x00\x03abc"))
	f.Fuzz(func(t *testing.T, src []byte) {
		a, err := new(fetchRequest).parse(src)
		if err == nil && len(a.records) > len(src) {
			t.Fatal("more records than bytes")
		}
	})
}
