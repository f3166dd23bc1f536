package kafka

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"syscall"
	"testing"

	"assent/sinks"
)

// eventsOf returns n events of about 1 kB, alike as those of one site are.
func eventsOf(n int) []sinks.Outgoing {
	r := rand.New(rand.NewPCG(7, 7))
	all := make([]sinks.Outgoing, n)
	for i := range all {
		value := fmt.Appendf(nil, `{"type":"track","event":"Product Viewed","messageId":"%016x%016x","timestamp":"2026-07-01T12:%02d:%02d.%03dZ",`+
			`"context":{"library":{"name":"analytics.js","version":"2.11.1"},"locale":"en-US","page":{"url":"https://shop.example/p/%d","title":"Product %d","referrer":"https://search.example/"},`+
			`"userAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.0.0 Safari/537.36"},`+
			`"properties":{"sku":"%x","price":%d.%02d,"currency":"EUR","category":"c%d","list":[`, r.Uint64(), r.Uint64(), r.IntN(60), r.IntN(60), r.IntN(1000),
			r.IntN(1e6), r.IntN(1e6), 100+r.IntN(40), r.Uint64(), r.IntN(500), r.IntN(100), r.IntN(50))
		for j := range 8 {
			if j > 0 {
				value = append(value, ',')
			}
			value = fmt.Appendf(value, `{"id":%d,"name":"thing %x"}`, r.IntN(1e6), r.Uint32())
		}
		value = append(value, `]}}`...)
		rec := sinks.Record{Key: fmt.Appendf(nil, "%016x", r.Uint64()), Value: value, Headers: []sinks.Header{
			{Key: "ce_specversion", Value: []byte("1.0")},
			{Key: "ce_id", Value: fmt.Appendf(nil, "%016x%016x", r.Uint64(), r.Uint64())},
			{Key: "ce_type", Value: []byte("track")},
			{Key: "privacy-regime", Value: []byte("gdpr")},
			{Key: "privacy-policy", Value: []byte("sha256:0123456789abcdef")},
		}}
		all[i] = sinks.Outgoing{Body: sinks.AppendBody(nil, &rec), Time: 1_780_000_000_000 + int64(i)}
	}
	return all
}

// One operation is one event.
func BenchmarkEncode(b *testing.B) {
	all := eventsOf(500)
	for name, c := range codecs {
		b.Run("codec="+name, func(b *testing.B) {
			enc := newEncoder(c)
			var buf []byte
			size := 0
			b.ReportAllocs()
			for i := 0; i < b.N; i += len(all) {
				set, plain, err := enc.appendBatch(buf[:0], identity{1, 0}, 5, all)
				if err != nil {
					b.Fatal(err)
				}
				buf, size = set, plain
			}
			b.SetBytes(int64(size / len(all)))
			b.ReportMetric(float64(size)/float64(len(buf)), "ratio")
		})
	}
}

// BenchmarkSend sends batches of 500 events to a broker that is a few lines of
// this file, and reports the processor time of one event: the answerer's share,
// some reads, is in it.
func BenchmarkSend(b *testing.B) {
	addr := answerer(b)
	f := &Forwarder{opt: Options{Brokers: []string{addr}}, stopped: make(chan struct{})}
	f.opt.EnsureDefaults()
	f.conns = &conns{timeout: f.opt.Timeout, idle: make(map[string][]*conn)}
	f.encoders = newEncoders(codecZstd)
	f.buffers.New = func() any { return new([]byte) }
	f.seen.Store(&cluster{brokers: map[int32]string{1: addr}, topics: map[string]*topic{"t": {name: "t", leaders: []int32{1}}}})
	all := eventsOf(500)
	p := sinks.Partition{Topic: "t"}
	r := reservation{count: int32(len(all)), at: f.opt.Now().UnixMilli()}
	raw := r.append(nil)
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu(b)
	for i := 0; i < b.N; i += len(all) {
		if _, err := f.Send(b.Context(), p, raw, provided(all), false); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
}

func cpu(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// answerer listens and answers what BenchmarkSend asks: which versions there
// are, and that a batch is stored at offset 0.
func answerer(b *testing.B) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go answer(c)
		}
	}()
	return l.Addr().String()
}

func answer(c net.Conn) {
	defer c.Close()
	buf := make([]byte, 4<<20)
	for {
		if _, err := io.ReadFull(c, buf[:4]); err != nil {
			return
		}
		size := binary.BigEndian.Uint32(buf)
		if _, err := io.ReadFull(c, buf[:size]); err != nil {
			return
		}
		body := []byte("\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x08") // versions: produce, 0 to 8
		if binary.BigEndian.Uint16(buf) == 0 {
			body = []byte("\x00\x00\x00\x01\x00\x01t\x00\x00\x00\x01" + // one topic, one partition
				"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" + // partition, no error, offset
				"\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00" + // log append time, log start
				"\x00\x00\x00\x00\xff\xff\x00\x00\x00\x00") // record errors, message, throttling
		}
		out := binary.BigEndian.AppendUint32(nil, uint32(4+len(body)))
		out = append(append(out, buf[4:8]...), body...) // correlation
		if _, err := c.Write(out); err != nil {
			return
		}
	}
}
