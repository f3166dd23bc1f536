package wal

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"assent/disk"
)

// BenchmarkAppend is a closed loop: each caller appends its next entry of 1.7 kB
// when the last one is durable, as connections do. What is written is released at
// once, so that files are used again.
func BenchmarkAppend(b *testing.B) {
	for _, callers := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			l, err := Open(Options{Dir: b.TempDir(), MaxBytes: 1 << 30})
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close(context.Background())
			for !l.recycler.ready() {
				time.Sleep(time.Millisecond)
			}
			entry := bytes.Repeat([]byte("0123456789abcdef 0123456789abcdef "), 50)
			groups := groupsTotal.Get()
			var left atomic.Int64
			left.Store(int64(b.N))
			var running sync.WaitGroup
			b.SetBytes(int64(len(entry)))
			b.ReportAllocs()
			b.ResetTimer()
			for range callers {
				running.Go(func() {
					for n := left.Add(-1); n >= 0; n = left.Add(-1) {
						if n%1000 == 0 {
							l.Release(1 << 60)
						}
						if err := l.Append(entry); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			running.Wait()
			b.StopTimer()
			seconds := b.Elapsed().Seconds()
			b.ReportMetric(float64(b.N)/seconds, "appends/s")
			b.ReportMetric(float64(groupsTotal.Get()-groups)/seconds, "syncs/s")
		})
	}
}

// BenchmarkRaw is what the disk gives a loop that overwrites as much as so many
// entries and syncs it.
func BenchmarkRaw(b *testing.B) {
	for _, entries := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("entries=%d", entries), func(b *testing.B) {
			f, err := disk.OS{}.Create(filepath.Join(b.TempDir(), "raw"))
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			const size = 64 << 20
			f.Write(make([]byte, size))
			f.Sync()
			group := bytes.Repeat([]byte{'x'}, int(pageUp(int64(entries*1724))))
			b.SetBytes(1700)
			at, syncs := int64(0), 0
			b.ResetTimer()
			for range (b.N + entries - 1) / entries {
				if at+int64(len(group)) > size {
					at = 0
				}
				if _, err := f.WriteAt(group, at); err != nil {
					b.Fatal(err)
				}
				if err := f.Sync(); err != nil {
					b.Fatal(err)
				}
				at += int64(len(group))
				syncs++
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
			b.ReportMetric(float64(syncs)/b.Elapsed().Seconds(), "syncs/s")
		})
	}
}
