package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// TestPowerCut cuts the power while writers write, at many moments and with
// various luck for what was not synced: what Put acknowledged before the cut is there
// afterwards, whole; what it did not is there whole or not at all.
func TestPowerCut(t *testing.T) {
	for _, luck := range []int{0, 30, 70, 100} {
		t.Run(fmt.Sprint("unsynced ", luck), func(t *testing.T) {
			fs := vfs.NewCrashableMem()
			s := open1(t, fs)
			const writers = 4
			var acked [writers]atomic.Int64 // the last round of each
			stop := make(chan struct{})
			var wg sync.WaitGroup
			for i := range writers {
				wg.Go(func() {
					for round := int64(1); ; round++ {
						select {
						case <-stop:
							return
						default:
						}
						if err := s.Put(ctx, write(i, round)); err != nil {
							t.Error(err)
							return
						}
						acked[i].Store(round)
					}
				})
			}
			rng := rand.New(rand.NewPCG(1, uint64(luck)))
			for cut := range 8 {
				time.Sleep(3 * time.Millisecond)
				if cut == 4 { // some of it in tables, not only in the log
					if err := s.current.db.Flush(); err != nil {
						t.Error(err)
					}
				}
				var before [writers]int64
				for i := range before {
					before[i] = acked[i].Load()
				}
				after := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: luck, RNG: rng})
				checkAfterCut(t, after, before[:])
			}
			close(stop)
			wg.Wait()
		})
	}
}

func checkAfterCut(t *testing.T, fs vfs.FS, acked []int64) {
	t.Helper()
	s, err := Open(Options{Dir: dir, FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i, least := range acked {
		r, err := s.Get(visitor(i))
		if err != nil {
			t.Fatal(err)
		}
		if r == nil {
			if least > 0 {
				t.Fatalf("writer %d: round %d was acknowledged and is lost", i, least)
			}
			continue
		}
		round := r.Newest().Time
		if round < least {
			t.Fatalf("writer %d: round %d was acknowledged, %d is there", i, least, round)
		}
		holds(t, s, i, round)
	}
}

// TestSyncFails: a write that could not be synced is not acknowledged, and from then
// on nothing is answered from what may exist in memory only.
func TestSyncFails(t *testing.T) {
	fs := vfs.NewMem()
	var failing atomic.Bool
	s, err := Open(Options{Dir: dir, FS: errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		sync := op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo
		if failing.Load() && sync && strings.HasSuffix(op.Path, ".log") {
			return errors.New("no space left on device")
		}
		return nil
	})), Pause: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	var changed atomic.Int64
	s.Notify(func() { changed.Add(1) })
	if err := s.Put(ctx, write(1, 1)); err != nil {
		t.Fatal(err)
	}
	failing.Store(true)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if err := s.Put(ctx, write(i, 2)); err == nil {
				t.Error("acknowledged what was not synced")
			}
		})
	}
	wg.Wait()
	if err := s.Ready(); err == nil {
		t.Error("ready with a broken log")
	}
	if _, err := s.Get(visitor(1)); err == nil {
		t.Error("answered with a broken log")
	}
	if _, _, err := s.Linked(tracker(1)); err == nil {
		t.Error("answered with a broken log")
	}
	failing.Store(false)
	// The disk is well again: so is the store, without a restart.
	for s.Put(ctx, write(1, 1)) != nil {
		time.Sleep(time.Millisecond)
	}
	if changed.Load() == 0 {
		t.Error("nobody was told that answers may have changed")
	}
	if r, err := s.Get(visitor(1)); err != nil || r == nil {
		t.Errorf("the acknowledged write: %v %v", r, err)
	}
	if err := s.Put(ctx, write(3, 3)); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	holds(t, open1(t, fs), 3, 3)
}
