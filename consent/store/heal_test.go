package store

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"assent/consent"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

const patience = time.Minute

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}

// soon is a clock for pauses that a test need not see the length of.
func soon(time.Duration) <-chan time.Time { return time.After(time.Millisecond) }

// large is a write of which thirty fill a memtable.
func large(i int, round int64) *consent.Change {
	w := write(i, round)
	w.Receipt = bytes.Repeat([]byte{byte(round)}, memTable/30)
	return w
}

func writes(op errorfs.Op) bool {
	switch op.Kind {
	case errorfs.OpCreate, errorfs.OpReuseForWrite, errorfs.OpFileWrite, errorfs.OpFilePreallocate,
		errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo, errorfs.OpRename:
		return true
	}
	return false
}

// TestHeals: whatever of its files cannot be written, the store acknowledges nothing
// it may lose, answers in bounded time, goes down with no goroutine of Pebble's, and
// works again by itself, with all that it acknowledged.
func TestHeals(t *testing.T) {
	for name, fails := range map[string]func(op errorfs.Op) bool{
		"everything": writes,
		"log":        func(op errorfs.Op) bool { return writes(op) && strings.HasSuffix(op.Path, ".log") },
		"log sync": func(op errorfs.Op) bool {
			return op.Kind == errorfs.OpFileSyncData && strings.HasSuffix(op.Path, ".log")
		},
		"new log":  func(op errorfs.Op) bool { return op.Kind == errorfs.OpCreate && strings.HasSuffix(op.Path, ".log") },
		"manifest": func(op errorfs.Op) bool { return writes(op) && strings.Contains(op.Path, "MANIFEST") },
		"tables":   func(op errorfs.Op) bool { return writes(op) && strings.HasSuffix(op.Path, ".sst") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var failing atomic.Bool
			s, err := Open(Options{Dir: dir, Wait: 200 * time.Millisecond, after: soon, FS: errorfs.Wrap(vfs.NewMem(),
				errorfs.InjectorFunc(func(op errorfs.Op) error {
					if failing.Load() && fails(op) {
						return syscall.ENOSPC
					}
					return nil
				}))})
			if err != nil {
				t.Fatal(err)
			}
			var changes atomic.Int64
			s.Notify(func() { changes.Add(1) })
			var acked atomic.Int64
			failing.Store(true)
			var wg sync.WaitGroup
			for i := range 4 {
				wg.Go(func() {
					for round := int64(1); round < 1000; round++ {
						if err := s.Put(ctx, large(i, round)); err != nil {
							return
						}
						acked.Add(1)
					}
					t.Error("a thousand writes, and none failed")
				})
			}
			wg.Wait()
			if err := s.Ready(); err == nil {
				t.Error("ready")
			}
			failing.Store(false)
			eventually(t, "a write is taken again", func() bool { return s.Put(ctx, write(9, 1)) == nil })
			eventually(t, "it is ready", func() bool { return s.Ready() == nil })
			if changes.Load() == 0 && name != "tables" { // there, writes are refused before one is lost
				t.Error("nobody was told that what was read before may be outdated")
			}
			found := int64(0)
			for i := range 4 {
				r, err := s.Get(visitor(i))
				if err != nil {
					t.Fatal(err)
				}
				if r != nil {
					found += r.Newest().Time
				}
			}
			if found < acked.Load() {
				t.Errorf("%d writes were acknowledged, %d are there", acked.Load(), found)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// held is a file system whose syncs of the log wait for release.
func held(inner vfs.FS) (fs vfs.FS, hold *atomic.Bool, release func()) {
	hold = &atomic.Bool{}
	gate := make(chan struct{})
	var once sync.Once
	return errorfs.Wrap(inner, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if hold.Load() && op.Kind == errorfs.OpFileSyncData && strings.HasSuffix(op.Path, ".log") {
			<-gate
		}
		return nil
	})), hold, func() { once.Do(func() { hold.Store(false); close(gate) }) }
}

// TestWriteHangs: nobody waits longer than the bound, and nothing is answered until it
// is known how the write ended.
func TestWriteHangs(t *testing.T) {
	fs, hold, release := held(vfs.NewMem())
	defer release()
	s, err := Open(Options{Dir: dir, Wait: 50 * time.Millisecond, FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	var changes atomic.Int64
	s.Notify(func() { changes.Add(1) })
	hold.Store(true)
	if err := s.Put(ctx, write(1, 1)); err != errLate {
		t.Fatalf("a write that hangs: %v", err)
	}
	if _, err := s.Get(visitor(2)); err == nil {
		t.Error("answered while a write hangs")
	}
	if s.Put(ctx, write(2, 1)) == nil || s.Ready() == nil {
		t.Error("works while a write hangs")
	}
	if changes.Load() != 0 {
		t.Error("changed before the write landed")
	}
	release()
	eventually(t, "it answers", func() bool { _, err := s.Get(visitor(1)); return err == nil })
	holds(t, s, 1, 1)
	if changes.Load() != 1 {
		t.Errorf("told of %d changes", changes.Load())
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// silentDisk does not answer how much room is left.
type silentDisk struct {
	vfs.FS
	hold chan struct{}
	on   atomic.Bool
}

func (d *silentDisk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	if d.on.Load() {
		<-d.hold
	}
	return vfs.DiskUsage{}, vfs.ErrUnsupported
}

// TestAskingHangs: the bound holds for what a write asks the disk before it begins.
func TestAskingHangs(t *testing.T) {
	d := &silentDisk{FS: vfs.NewMem(), hold: make(chan struct{})}
	s, err := Open(Options{Dir: dir, Wait: 50 * time.Millisecond, FS: d})
	if err != nil {
		t.Fatal(err)
	}
	d.on.Store(true)
	if err := s.Put(ctx, write(1, 1)); err != errLate {
		t.Errorf("a write that hangs: %v", err)
	}
	d.on.Store(false)
	close(d.hold)
	eventually(t, "it answers", func() bool { _, err := s.Get(visitor(1)); return err == nil })
	holds(t, s, 1, 1)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestCloseWaitsForNobody: a write that hangs keeps no process from ending.
func TestCloseWaitsForNobody(t *testing.T) {
	fs, hold, release := held(vfs.NewMem())
	defer release()
	s, err := Open(Options{Dir: dir, Wait: 50 * time.Millisecond, FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	hold.Store(true)
	put := make(chan error, 1)
	go func() { put <- s.Put(ctx, write(1, 1)) }()
	if err := <-put; err == nil {
		t.Error("acknowledged")
	}
	if err := s.Close(); err == nil || !strings.Contains(err.Error(), "hangs") {
		t.Errorf("closing: %v", err)
	}
}

// TestChoicesWaitForNobody: who chooses behind a choice that hangs, for the same person
// too, is answered.
func TestChoicesWaitForNobody(t *testing.T) {
	fs, hold, release := held(vfs.NewMem())
	defer release()
	s, err := Open(Options{Dir: dir, Wait: 50 * time.Millisecond, FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	p, err := consent.NewPurposes([]consent.Purpose{{Name: "analytics", Basis: consent.Consent}})
	if err != nil {
		t.Fatal(err)
	}
	r := registry(t, s, p)
	s.Notify(r.Forget)
	choice := consent.Choice{All: consent.Granted, Method: consent.Banner, Account: consent.Subject{Kind: consent.User, ID: "one"}}
	hold.Store(true)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := r.Record(ctx, choice); err == nil {
				t.Error("recorded what is not on disk")
			}
		})
	}
	wg.Wait()
	if st := r.Lookup(choice.Account); !st.Unreadable || st.Granted != 0 {
		t.Error("answered while it is not known what was recorded")
	}
	release()
	eventually(t, "the choice is known", func() bool { return r.Lookup(choice.Account).Granted.Len() == 1 })
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestHealsNotForEver: what was given up keeps memory, so after many times a restart is
// asked for, and not before.
func TestHealsNotForEver(t *testing.T) {
	var failing atomic.Bool
	s, err := Open(Options{Dir: dir, after: soon, FS: errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if failing.Load() && op.Kind == errorfs.OpFileSyncData && strings.HasSuffix(op.Path, ".log") { // opening syncs none
			return syscall.EIO
		}
		return nil
	}))})
	if err != nil {
		t.Fatal(err)
	}
	for i := range maxGivenUp {
		if err := s.Healthy(); err != nil {
			t.Fatalf("after %d times: %v", i, err)
		}
		eventually(t, "a write is taken", func() bool { return s.Put(ctx, write(1, 1)) == nil })
		failing.Store(true)
		if s.Put(ctx, write(1, 1)) == nil {
			t.Fatal("acknowledged what was not synced")
		}
		failing.Store(false)
	}
	eventually(t, "it asks for a restart", func() bool { return s.Healthy() != nil })
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestPauses: a table that cannot be written is not begun again without a pause, and
// each pause is longer than the one before, to a bound.
func TestPauses(t *testing.T) {
	var failing atomic.Bool
	var attempts atomic.Int64
	var mu sync.Mutex
	var pauses []time.Duration
	next := make(chan time.Time)
	s, err := Open(Options{
		Dir: dir, FS: errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
			if !failing.Load() || !strings.HasSuffix(op.Path, ".sst") || !writes(op) {
				return nil
			}
			attempts.Add(1)
			return syscall.ENOSPC
		})),
		after: func(d time.Duration) <-chan time.Time {
			mu.Lock()
			defer mu.Unlock()
			pauses = append(pauses, d)
			return next
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Put(ctx, write(1, 1)); err != nil {
		t.Fatal(err)
	}
	failing.Store(true)
	if _, err := s.in.db.AsyncFlush(); err != nil {
		t.Fatal(err)
	}
	for released := range 7 {
		eventually(t, "it pauses", func() bool { mu.Lock(); defer mu.Unlock(); return len(pauses) == released+1 })
		if n := attempts.Load(); n != int64(released)+1 {
			t.Fatalf("%d attempts after %d pauses", n, released)
		}
		if s.Ready() == nil {
			t.Error("ready")
		}
		if err := s.Put(ctx, write(1, 2)); err != errUnflushed { // it would wait in the end
			t.Errorf("a write: %v", err)
		}
		holds(t, s, 1, 1) // readers are not concerned
		next <- time.Time{}
	}
	mu.Lock()
	for i := 1; i < len(pauses); i++ {
		if want := min(2*pauses[i-1], lastPause); pauses[i] != want {
			t.Errorf("pauses %v", pauses)
			break
		}
	}
	mu.Unlock()
	failing.Store(false)
	close(next)
	eventually(t, "it is ready", func() bool { return s.Ready() == nil })
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestReserve: what is left of the reserve is taken by denials alone, and the half of
// it by nobody.
func TestReserve(t *testing.T) {
	mem := vfs.NewMem()
	s := open1(t, mem)
	denial := func() *consent.Change { w := write(1, 1); w.Narrows = true; return w }
	for _, c := range []struct {
		total, free   uint64
		grant, denied bool
	}{
		{1 << 40, defaultReserve, true, true},
		{1 << 40, defaultReserve - 1, false, true},
		{1 << 40, defaultReserve / 2, false, true},
		{1 << 40, defaultReserve/2 - 1, false, false},
		{24 << 20, 6 << 20, true, true}, // a small one
		{24 << 20, 6<<20 - 1, false, true},
		{24 << 20, 3<<20 - 1, false, false},
		{1 << 40, 1 << 39, true, true},
	} {
		mem.TestingSetDiskUsage(vfs.DiskUsage{TotalBytes: c.total, AvailBytes: c.free})
		s.room.mu.Lock()
		s.room.looked = time.Time{}
		s.room.mu.Unlock()
		grant, denied := s.Put(ctx, write(1, 1)), s.Put(ctx, denial())
		if (grant == nil) != c.grant || (denied == nil) != c.denied {
			t.Errorf("%d of %d free: a grant: %v, a denial: %v", c.free, c.total, grant, denied)
		}
		if ready := s.Ready(); (ready == nil) != c.grant {
			t.Errorf("%d of %d free: %v", c.free, c.total, ready)
		}
		holds(t, s, 1, 1) // a full disk can be read
	}
}

func receipt(i int) string { return fmt.Sprintf("%08d", i) }

func (s *Store) has(t *testing.T, id string) bool {
	t.Helper()
	b, err := s.Receipt(id)
	if err != nil {
		t.Fatal(err)
	}
	return b != nil
}

// TestReceiptsBounded: of one subject the newest are kept, of a number and of a size.
func TestReceiptsBounded(t *testing.T) {
	s := open1(t, vfs.NewMem())
	put := func(who consent.Subject, i, size int) {
		t.Helper()
		w := &consent.Change{About: who, ReceiptID: receipt(i), Receipt: make([]byte, size)}
		if err := s.Put(ctx, w); err != nil {
			t.Fatal(err)
		}
	}
	flooder, longer := visitor(1), consent.Subject{Kind: consent.Visitor, ID: visitor(1).ID + "1"}
	put(longer, 0, 10)
	put(consent.Subject{}, 1, 10)
	for i := range maxReceipts + 20 {
		put(flooder, 2+i, 10)
	}
	for _, id := range []int{0, 1, 22, maxReceipts + 21} {
		if !s.has(t, receipt(id)) {
			t.Errorf("receipt %d is gone", id)
		}
	}
	for _, id := range []int{2, 21} {
		if s.has(t, receipt(id)) {
			t.Errorf("receipt %d is still there", id)
		}
	}
	for i := range 5 {
		put(tracker(1), 5000+i, maxReceiptBytes/4)
	}
	if s.has(t, receipt(5000)) || !s.has(t, receipt(5001)) || !s.has(t, receipt(5004)) {
		t.Error("not the newest of a mebibyte")
	}
}

// TestReceiptOfWhatStands: a flood of later choices does not drive out the proof of a grant
// that is in force.
func TestReceiptOfWhatStands(t *testing.T) {
	s := open1(t, vfs.NewMem())
	for i := range maxReceipts + 5 {
		r := record(visitor(1), int64(i+1))
		r.Entries[0].Receipt, r.Entries[1].Receipt = receipt(i), receipt(1)
		w := &consent.Change{About: visitor(1), Records: []*consent.Record{r}, ReceiptID: receipt(i), Receipt: []byte("r")}
		if err := s.Put(ctx, w); err != nil {
			t.Fatal(err)
		}
	}
	if !s.has(t, receipt(1)) || s.has(t, receipt(0)) || s.has(t, receipt(2)) {
		t.Error("not the newest, and what is on record rests on")
	}
}

// TestReceiptsOfNobody: they are bounded all together, over restarts too.
func TestReceiptsOfNobody(t *testing.T) {
	fs := vfs.NewMem()
	put := func(s *Store, i int) {
		t.Helper()
		if err := s.Put(ctx, &consent.Change{ReceiptID: receipt(i), Receipt: []byte{1}}); err != nil {
			t.Fatal(err)
		}
	}
	next := 0
	for range 3 {
		s, err := Open(Options{Dir: dir, FS: fs})
		if err != nil {
			t.Fatal(err)
		}
		s.in.maxNobody = 200
		for range 150 {
			put(s, next)
			next++
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s := open1(t, fs)
	n := 0
	for i := range next {
		if s.has(t, receipt(i)) {
			n++
		} else if n > 0 {
			t.Fatalf("receipt %d is gone and an older one is not", i)
		}
	}
	if n < 200 || n > 202 {
		t.Errorf("%d are kept", n)
	}
}

// TestPrivate: what is on disk is for its user alone, whoever made it with whatever mask.
func TestPrivate(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	dir := filepath.Join(t.TempDir(), "consent")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s, err := Open(Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Put(ctx, write(1, 1)); err != nil {
			t.Fatal(err)
		}
		if err := s.in.db.Flush(); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := e.Info()
			if err == nil && info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s: %v", path, info.Mode())
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		// As an earlier version left it.
		if err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, _ error) error { return os.Chmod(path, 0o777) }); err != nil {
			t.Fatal(err)
		}
	}
}

// TestGivenUpIsStill: a database that was given up while a flush of its failed does not
// repeat the flush, neither until the store has healed nor afterwards.
func TestGivenUpIsStill(t *testing.T) {
	var tables, log atomic.Bool // fail
	s, err := Open(Options{
		Dir: dir, after: soon, FS: errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
			if writes(op) && (tables.Load() && strings.HasSuffix(op.Path, ".sst") || log.Load() && strings.HasSuffix(op.Path, ".log")) {
				return syscall.ENOSPC
			}
			return nil
		})),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Put(ctx, write(1, 1)); err != nil {
		t.Fatal(err)
	}
	old := s.in
	tables.Store(true)
	if _, err := old.db.AsyncFlush(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a flush fails", func() bool { return old.guard.failures.Load() > 0 })
	log.Store(true)
	if s.Put(ctx, write(1, 2)) == nil {
		t.Error("acknowledged")
	}
	given := old.guard.failures.Load()
	tables.Store(false)
	log.Store(false)
	eventually(t, "it has healed", func() bool { return s.Ready() == nil })
	for round := range int64(200) {
		if err := s.Put(ctx, write(1, round)); err != nil {
			t.Fatal(err)
		}
	}
	if n := old.guard.failures.Load() - given; n > 2 {
		t.Errorf("the flush was repeated %d times", n)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
