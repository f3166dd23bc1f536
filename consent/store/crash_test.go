package store

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
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
					if err := s.in.db.Flush(); err != nil {
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
