package file

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"assent/sinks"
)

// eventRecord is a record of typical shape: a 1 kB value and a full stamp,
// about 1.5 kB as a line.
func eventRecord(topic string) sinks.Record {
	r := sinks.Record{Topic: topic, Key: []byte("0192d3a4-6b7c-7def-8123-456789abcdef")}
	for _, h := range []string{
		"ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_dataschema", "content-type",
		"privacy-jurisdiction", "privacy-regime", "privacy-purposes", "privacy-policy", "privacy-policy-hash", "privacy-removed",
	} {
		r.Headers = append(r.Headers, sinks.Header{Key: h, Value: []byte("value-of-a-header-24chars")})
	}
	r.Value = []byte(`{"type":"track","event":"Order Completed","properties":{"filler":"` + strings.Repeat("x", 900) + `"}}`)
	return r
}

// BenchmarkCommit is a closed loop: each goroutine commits its next batch when
// the last one is durable, as connections do.
func BenchmarkCommit(b *testing.B) {
	for _, topics := range []int{1, 2} {
		for _, callers := range []int{1, 64, 256} {
			b.Run(fmt.Sprintf("topics=%d/callers=%d", topics, callers), func(b *testing.B) {
				s, err := Open(Options{Dir: b.TempDir()})
				if err != nil {
					b.Fatal(err)
				}
				defer s.Close(context.Background())
				var left atomic.Int64
				left.Store(int64(b.N))
				var running sync.WaitGroup
				b.ReportAllocs()
				b.ResetTimer()
				for range callers {
					running.Go(func() {
						batch := &sinks.Batch{}
						for i := range topics {
							batch.Records = append(batch.Records, eventRecord(fmt.Sprintf("topic%d", i)))
						}
						for left.Add(-1) >= 0 {
							if err := s.Commit(context.Background(), batch); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				running.Wait()
			})
		}
	}
}
