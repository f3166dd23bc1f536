package journal

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"assent/sinks"
)

// null is a forwarder that has a few partitions and stores nothing.
type null struct{ next atomic.Uint64 }

func (f *null) Partition(topic string, key []byte) (sinks.Partition, error) {
	if len(key) == 0 {
		return sinks.Partition{Topic: topic}, nil
	}
	return sinks.Partition{Topic: topic, Number: int32(key[len(key)-1] & 7)}, nil
}

func (f *null) Reserve(context.Context, sinks.Partition, int) ([]byte, error) {
	return binary.LittleEndian.AppendUint64(nil, f.next.Add(1)), nil
}

func (f *null) Send(_ context.Context, _ sinks.Partition, _ []byte, provide sinks.Provider, _ bool) (sinks.Sent, error) {
	_, err := provide()
	return sinks.Sent{}, err
}
func (f *null) Ready() error { return nil }
func (f *null) Close() error { return nil }

// typical is a batch of events of typical shape: a value of 1 kB, a full stamp
// and what a journal keeps for judging again.
func typical(events int) *sinks.Batch {
	b := &sinks.Batch{}
	for i := range events {
		r := sinks.Record{Topic: "events", Key: fmt.Appendf(nil, "0192d3a4-6b7c-7def-8123-4567%08x", i*7919)}
		for _, h := range []string{
			"ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_dataschema", "content-type",
			"privacy-jurisdiction", "privacy-regime", "privacy-purposes", "privacy-policy", "privacy-policy-hash", "privacy-removed",
		} {
			r.Headers = append(r.Headers, sinks.Header{Key: h, Value: []byte("value-of-a-header-24chars")})
		}
		r.Value = []byte(`{"type":"track","event":"Order Completed","properties":{"filler":"` + strings.Repeat("x", 900) + `"}}`)
		b.Records = append(b.Records, r)
		b.Events = append(b.Events, sinks.Event{Records: 1, ID: eventID("bench", i), Provenance: sinks.Provenance{
			Subject: make([]byte, 64), Source: "web", Place: "FR", At: 1_800_000_000_000, Policy: strings.Repeat("a", 64), Purposes: 1, Allowed: 3,
		}})
	}
	return b
}

// BenchmarkCommit is a closed loop: each goroutine commits its next batch when
// the last one is durable, as connections do. All is forwarded to nowhere
// meanwhile.
func BenchmarkCommit(b *testing.B) {
	for _, events := range []int{1, 100} {
		for _, callers := range []int{1, 64, 256} {
			b.Run(fmt.Sprintf("events=%d/callers=%d", events, callers), func(b *testing.B) {
				j, err := Open(Options{Dir: b.TempDir(), Forwarder: new(null)})
				if err != nil {
					b.Fatal(err)
				}
				defer j.Close(context.Background())
				var left atomic.Int64
				left.Store(int64(b.N))
				var running sync.WaitGroup
				b.ReportAllocs()
				b.ResetTimer()
				for range callers {
					running.Go(func() {
						batch := typical(events)
						for left.Add(-1) >= 0 {
							if err := j.Commit(context.Background(), batch); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				running.Wait()
				b.ReportMetric(float64(b.N*events)/b.Elapsed().Seconds(), "events/s")
			})
		}
	}
}

// gated is null behind a gate.
type gated struct {
	null
	open chan struct{}
}

func (g *gated) Send(ctx context.Context, _ sinks.Partition, _ []byte, provide sinks.Provider, _ bool) (sinks.Sent, error) {
	<-g.open
	_, err := provide()
	return sinks.Sent{}, err
}

// BenchmarkDrain forwards a backlog of events to nowhere.
func BenchmarkDrain(b *testing.B) {
	g := &gated{open: make(chan struct{})}
	j, err := Open(Options{Dir: b.TempDir(), Forwarder: g})
	if err != nil {
		b.Fatal(err)
	}
	defer j.Close(context.Background())
	batch := typical(100)
	n := max(1, b.N/100)
	for range n {
		if err := j.Commit(context.Background(), batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ResetTimer()
	close(g.open)
	for j.records.Load() > 0 {
		time.Sleep(100 * time.Microsecond)
	}
	b.ReportMetric(float64(n*100)/b.Elapsed().Seconds(), "events/s")
}
