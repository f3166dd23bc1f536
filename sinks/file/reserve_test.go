package file

import (
	"context"
	"testing"

	"assent/disk/disktest"
	"assent/sinks"
)

// small is a file system of a size.
type small struct {
	*disktest.Mem
	total int64
}

func (s small) Total(string) (int64, error) { return s.total, nil }

// TestReserve: events leave the last bytes of the file system alone, whoever sends how
// many, and are taken again when there is room.
func TestReserve(t *testing.T) {
	for _, c := range []struct {
		total, reserve, left int64 // of the file system, of the options, what must stay
	}{{1 << 20, 256 << 10, 256 << 10}, {1 << 20, 1 << 40, 1 << 20 / 8 * 3}} {
		m := disktest.New()
		m.SetCapacity(c.total)
		s, err := Open(Options{Dir: "events", FS: small{m, c.total}, ReserveBytes: c.reserve})
		if err != nil {
			t.Fatal(err)
		}
		batch := &sinks.Batch{Events: []sinks.Event{{Records: 1}}, Records: []sinks.Record{{Topic: "events", Value: make([]byte, 3000)}}}
		n := 0
		for err = error(nil); err == nil && n < 1000; n++ {
			err = s.Commit(context.Background(), batch)
		}
		if sinks.ReasonOf(err) != sinks.ReasonDiskFull || sinks.ClassOf(err) != sinks.Retriable {
			t.Fatalf("after %d commits: %v", n, err)
		}
		if free, _ := m.Free("events"); free < c.left {
			t.Errorf("%d bytes are left, want %d", free, c.left)
		}
		s.measure()
		if s.Admit("a") == nil && s.Commit(context.Background(), batch) == nil {
			t.Error("events are taken below the reserve")
		}
		m.SetCapacity(2 * c.total)
		s.measure()
		if err := s.Commit(context.Background(), batch); err != nil {
			t.Errorf("with room again: %v", err)
		}
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
}
