package store

import (
	"fmt"
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

// TestReserve: what grants is refused first, what only narrows later, and both at once
// and without a trace; what is stored is read all the while.
func TestReserve(t *testing.T) {
	var free atomic.Int64
	s, err := Open(Options{Dir: dir, FS: vfs.NewMem(), Reserve: 1000, Free: func(string) (int64, error) { return free.Load(), nil }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	grant, refusal := write(1, 1), write(2, 1)
	refusal.Narrows = true
	for _, c := range []struct {
		free            int64
		grants, refuses bool
	}{{1000, true, true}, {999, false, true}, {500, false, true}, {499, false, false}, {0, false, false}, {2000, true, true}} {
		free.Store(c.free)
		if err := s.Put(ctx, grant); (err == nil) != c.grants {
			t.Errorf("%d bytes free: a grant: %v", c.free, err)
		}
		if err := s.Put(ctx, refusal); (err == nil) != c.refuses {
			t.Errorf("%d bytes free: a refusal: %v", c.free, err)
		}
		if err := s.Ready(); (err == nil) != c.grants {
			t.Errorf("%d bytes free: ready: %v", c.free, err)
		}
		holds(t, s, 1, 1)
	}
}

// hanging is a file system whose syncs of the log hang for as long as it says so.
type hanging struct {
	mu   sync.Mutex
	gate chan struct{}
	met  chan struct{}
}

func (h *hanging) wrap(fs vfs.FS) vfs.FS {
	return errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		sync := op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo
		if !sync || !strings.HasSuffix(op.Path, ".log") {
			return nil
		}
		h.mu.Lock()
		gate := h.gate
		h.mu.Unlock()
		if gate != nil {
			<-gate
		}
		return nil
	}))
}

func (h *hanging) hang() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gate = make(chan struct{})
}

func (h *hanging) letGo() {
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.gate)
	h.gate = nil
}

// TestHangingDisk: a write waits for a bounded time. What became of it is not known, so
// nothing is answered until it is; then it is told that answers may have changed.
func TestHangingDisk(t *testing.T) {
	h, fs := &hanging{}, vfs.NewMem()
	s, err := Open(Options{Dir: dir, FS: h.wrap(fs), Wait: 20 * time.Millisecond, Pause: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	changed := make(chan struct{}, 1)
	s.Notify(func() { changed <- struct{}{} })
	if err := s.Put(ctx, write(1, 1)); err != nil {
		t.Fatal(err)
	}
	h.hang()
	if err := s.Put(ctx, write(1, 2)); err == nil {
		t.Error("acknowledged what hangs")
	}
	if _, err := s.Get(visitor(1)); err == nil || s.Ready() == nil || s.Put(ctx, write(2, 1)) == nil {
		t.Error("answered while the fate of a write is not known")
	}
	h.letGo()
	<-changed
	holds(t, s, 1, 2) // it had reached the disk after all
	if err := s.Put(ctx, write(2, 1)); err != nil {
		t.Error(err)
	}

	// Whoever shuts down does not wait for a disk that hangs.
	h.hang()
	_ = s.Put(ctx, write(1, 3))
	if err := s.Close(); err == nil {
		t.Error("closed a store that hangs, and said nothing")
	}
	h.letGo()
}

// TestFullDisk: Pebble repeats a failed flush at once, and dies where it cannot begin a
// log. On a full disk it waits instead, trying with pauses; a write is refused in time,
// what is stored comes back, and all is well when there is room again, without a restart.
func TestFullDisk(t *testing.T) {
	var full atomic.Bool
	var attempts atomic.Int64
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && (op.Kind == errorfs.OpCreate || op.Kind == errorfs.OpReuseForWrite || op.Kind == errorfs.OpFileWrite) {
			attempts.Add(1)
			return syscall.ENOSPC
		}
		return nil
	}))
	s, err := Open(Options{Dir: dir, FS: fs, Wait: 30 * time.Millisecond, Pause: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	changed := make(chan struct{}, 1)
	s.Notify(func() { changed <- struct{}{} })
	if err := s.Put(ctx, write(1, 1)); err != nil {
		t.Fatal(err)
	}
	full.Store(true)
	flushed, db := make(chan struct{}), s.current.db
	go func() { // the log is begun anew, and a table is written
		defer close(flushed)
		_, _ = db.AsyncFlush()
	}()
	if err := s.Put(ctx, write(2, 1)); err == nil {
		t.Error("acknowledged on a full disk")
	}
	// Each who tries sleeps between two attempts: what spins would be in the thousands.
	for began, before := time.Now(), attempts.Load(); time.Since(began) < 100*time.Millisecond; time.Sleep(time.Millisecond) {
		if n := attempts.Load() - before; n > 100 {
			t.Fatalf("%d attempts within 100 ms", n)
		}
	}
	full.Store(false)
	<-changed
	<-flushed
	holds(t, s, 1, 1)
	if err := s.Put(ctx, write(2, 2)); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestReceiptsAreBounded: of one subject the newest receipts are kept; nobody else's go.
func TestReceiptsAreBounded(t *testing.T) {
	s := open1(t, vfs.NewMem())
	put := func(who consent.Subject, id string) {
		t.Helper()
		if err := s.Put(ctx, &consent.Write{About: who, Receipts: map[string][]byte{id: []byte("r")}}); err != nil {
			t.Fatal(err)
		}
	}
	put(visitor(2), "0")
	put(consent.Subject{}, "00")
	for i := range maxReceipts + 3 {
		put(visitor(1), fmt.Sprintf("%05d", i))
	}
	for id, want := range map[string]bool{"00000": false, "00002": false, "00003": true, fmt.Sprintf("%05d", maxReceipts+2): true, "0": true, "00": true} {
		if got, err := s.Receipt(id); err != nil || (got != nil) != want {
			t.Errorf("receipt %s: %q, %v", id, got, err)
		}
	}
}

// TestFilesArePrivate: nobody else on the machine reads what people chose.
func TestFilesArePrivate(t *testing.T) {
	at := filepath.Join(t.TempDir(), "consent")
	if err := os.MkdirAll(at, 0o755); err != nil {
		t.Fatal(err)
	}
	s, err := Open(Options{Dir: at})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if info, err := os.Stat(at); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}
