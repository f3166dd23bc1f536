package wal

import (
	"errors"
	"testing"
	"time"

	"assent/disk/disktest"
)

// A full disk that still has room for something is not ready for what it refused:
// neither what is small enough makes it so, nor room that is in the reserve. Once
// there is room it is ready by itself, and takes as much at once.
func TestNotReadyBeforeThereIsRoom(t *testing.T) {
	t.Parallel()
	memory := disktest.New()
	memory.SetCapacity(24 << 10)
	l := open(t, small(memory, func(o *Options) { o.SegmentBytes = 32 << 10; o.ReserveBytes = 4 << 10 }))
	large := make([]byte, 40<<10)
	wantErr(t, l.Append(large), ErrFull)
	segments := l.Usage().Segments
	full := func(taken bool) {
		t.Helper()
		for end := time.Now().Add(5 * tick / 2); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			if err := l.Append([]byte("small")); taken && err != nil {
				t.Fatal(err)
			}
			if err := l.Ready(); !errors.Is(err, ErrFull) {
				t.Fatalf("Ready = %v", err)
			}
		}
	}
	full(true)
	if n := l.Usage().Segments - segments; n > 1 {
		t.Errorf("trying made %d segments", n)
	}
	free, err := memory.Free("")
	if err != nil {
		t.Fatal(err)
	}
	memory.SetCapacity(24<<10 + 42<<10 - free) // enough, if the reserve were not
	full(false)
	memory.SetCapacity(1 << 20)
	eventually(t, "ready", func() bool { return l.Ready() == nil })
	if err := l.Append(large); err != nil {
		t.Errorf("ready, and then %v", err)
	}
}
