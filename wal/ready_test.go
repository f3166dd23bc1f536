package wal

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"assent/disk/disktest"
)

// A full disk that still has room for something is not ready for what it refused:
// neither what is small enough nor trying makes it so. Once there is room it is
// ready by itself, and takes as much at once.
func TestNotReadyBeforeThereIsRoom(t *testing.T) {
	t.Parallel()
	for _, told := range []bool{true, false} {
		t.Run(fmt.Sprintf("its space is told %v", told), func(t *testing.T) {
			t.Parallel()
			memory := disktest.New()
			var room atomic.Bool
			memory.SetFault(func(op, path string) error {
				switch {
				case op == "free" && !told:
					return syscall.ENOSYS
				case op == "create" && told && !room.Load() && strings.HasSuffix(path, dirty):
					t.Error("trying takes the last of the space from others")
				}
				return nil
			})
			memory.SetCapacity(24 << 10)
			l := open(t, small(memory, func(o *Options) { o.SegmentBytes = 32 << 10; o.ReserveBytes = 1 }))
			large := make([]byte, 40<<10)
			wantErr(t, l.Append(large), ErrFull)
			segments := l.Usage().Segments
			for end := time.Now().Add(5 * tick / 2); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
				if err := l.Append([]byte("small")); told && err != nil {
					t.Fatal(err)
				}
				if err := l.Ready(); !errors.Is(err, ErrFull) {
					t.Fatalf("Ready = %v", err)
				}
			}
			if n := l.Usage().Segments - segments; told && n > 1 {
				t.Errorf("trying made %d segments", n)
			}
			room.Store(true)
			memory.SetCapacity(1 << 20)
			eventually(t, "ready", func() bool { return l.Ready() == nil })
			if err := l.Append(large); err != nil {
				t.Errorf("ready, and then %v", err)
			}
			eventually(t, "nothing is left of trying", func() bool { return len(memory.Files(dirty)) <= maxSpares })
		})
	}
}
