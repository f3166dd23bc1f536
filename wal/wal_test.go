package wal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"assent/disk"
	"assent/disk/disktest"
)

// small is a log that turns over quickly.
func small(system disk.FS, set func(*Options)) Options {
	opt := Options{Dir: "data/log", FS: system, SegmentBytes: 8 << 10, MaxBytes: 1 << 20}
	if set != nil {
		set(&opt)
	}
	return opt
}

func open(t testing.TB, opt Options) *Log {
	t.Helper()
	l, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close(context.Background()) })
	return l
}

// openMem opens a small log on a file system in memory, with a file ready for the
// first segment so that it is not left for a better one.
func openMem(t testing.TB, set func(*Options)) (*Log, *disktest.Mem) {
	t.Helper()
	memory := disktest.New()
	memory.Put("data/log/"+fileName(0, 1, clean), make([]byte, 8<<10))
	return open(t, small(memory, set)), memory
}

func add(t testing.TB, l *Log, entries ...string) {
	t.Helper()
	if err := l.Append(entriesOf(entries)...); err != nil {
		t.Fatal(err)
	}
}

func entriesOf(entries []string) (all [][]byte) {
	for _, e := range entries {
		all = append(all, []byte(e))
	}
	return all
}

func closeLog(t testing.TB, l *Log) {
	t.Helper()
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// read returns what a cursor finds until it would wait.
func read(t testing.TB, c *Cursor) (all []string) {
	t.Helper()
	for {
		e, ok, err := c.TryNext()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return all
		}
		all = append(all, string(e.Payload))
		e.Block.Release()
	}
}

// content returns all that is in a log.
func content(t testing.TB, l *Log) []string {
	t.Helper()
	c := l.Cursor(0)
	defer c.Close()
	return read(t, c)
}

func want(t testing.TB, got []string, entries ...string) {
	t.Helper()
	if !slices.Equal(got, entries) {
		t.Errorf("the log holds %d entries, want %d: %.300q, want %.300q", len(got), len(entries), got, entries)
	}
}

func wantErr(t testing.TB, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("got %v, want %v", err, target)
	}
}

// eventually waits for what happens in the background.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for limit := time.Now().Add(30 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("still not %s", what)
		}
	}
}

// failing makes one operation fail while on.
func failing(on *atomic.Bool, op string, err error) func(op, path string) error {
	return func(got, path string) error {
		if on.Load() && got == op && !strings.HasSuffix(path, ".lock") {
			return err
		}
		return nil
	}
}

func TestOrderAndNumbers(t *testing.T) {
	l, memory := openMem(t, nil)
	add(t, l)
	if err := l.Note([]byte("n1")); err != nil {
		t.Fatal(err)
	}
	add(t, l, "a", "", "b")
	l.Note([]byte("n2"), []byte("n3"))
	add(t, l, "c")
	want(t, content(t, l), "n1", "a", "", "b", "n2", "n3", "c")
	c := l.Cursor(l.Boot())
	defer c.Close()
	for i := range uint32(7) {
		e, err := c.Next(t.Context())
		if err != nil || e.Segment != l.Boot() || e.Index != i {
			t.Errorf("entry %d is %d of segment %d: %v", i, e.Index, e.Segment, err)
		}
		e.Block.Release()
	}
	closeLog(t, l)

	again := open(t, small(memory, nil))
	if again.Boot() <= l.Boot() || again.First() != l.Boot() {
		t.Errorf("the next process boots at %d with %d the oldest, after %d", again.Boot(), again.First(), l.Boot())
	}
	add(t, again, "d")
	want(t, content(t, again), "n1", "a", "", "b", "n2", "n3", "c", "d")
	later := again.Cursor(again.Boot())
	defer later.Close()
	want(t, read(t, later), "d")
}

// A note becomes durable though nobody appends.
func TestNoteIsWritten(t *testing.T) {
	l, _ := openMem(t, nil)
	c := l.Cursor(0)
	defer c.Close()
	if err := l.Note([]byte("n")); err != nil {
		t.Fatal(err)
	}
	if e, err := c.Next(t.Context()); err != nil || string(e.Payload) != "n" {
		t.Errorf("%q: %v", e.Payload, err)
	}
}

func TestConcurrentAppendsShareSyncs(t *testing.T) {
	const callers, each = 64, 20
	l, memory := openMem(t, func(o *Options) { o.SegmentBytes, o.MaxBytes = 1<<20, 4<<20 })
	var syncs atomic.Int64
	memory.SetFault(func(op, path string) error {
		if op == "sync" && strings.HasSuffix(path, live) {
			syncs.Add(1)
		}
		return nil
	})
	var running sync.WaitGroup
	for c := range callers {
		running.Go(func() {
			for i := range each {
				if err := l.Append(fmt.Appendf(nil, "%d.%d", c, i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	running.Wait()
	next := map[string]int{}
	for _, entry := range content(t, l) {
		caller, n, _ := strings.Cut(entry, ".")
		if fmt.Sprint(next[caller]) != n {
			t.Fatalf("caller %s: entry %s comes where %d was due", caller, n, next[caller])
		}
		next[caller]++
	}
	if n := len(next); n != callers {
		t.Errorf("entries of %d callers", n)
	}
	if n := syncs.Load(); n > callers*each/4 {
		t.Errorf("%d syncs for %d appends by %d callers: they are not shared", n, callers*each, callers)
	}
}

// Cursors that wait are woken, read over segments' ends, and see no more than
// what is durable.
func TestCursorsFollow(t *testing.T) {
	l, _ := openMem(t, nil)
	const n = 200
	var running sync.WaitGroup
	for range 3 {
		running.Go(func() {
			c := l.Cursor(0)
			defer c.Close()
			for i := range n {
				e, err := c.Next(t.Context())
				if err != nil || !strings.HasPrefix(string(e.Payload), fmt.Sprintf("%d ", i)) {
					t.Errorf("entry %d is %.10q: %v", i, e.Payload, err)
					return
				}
				e.Block.Release()
			}
		})
	}
	for i := range n {
		add(t, l, fmt.Sprintf("%d %0300d", i, 0))
	}
	running.Wait()
	if s := l.Usage().Segments; s < 5 {
		t.Errorf("%d segments: the test proves little", s)
	}
	c := l.Cursor(0)
	defer c.Close()
	if got := read(t, c); len(got) != n {
		t.Errorf("%d entries", len(got))
	}
	ended, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err := c.Next(ended)
	wantErr(t, err, context.DeadlineExceeded)
	time.AfterFunc(time.Millisecond, func() { l.Close(context.Background()) })
	_, err = c.Next(t.Context())
	wantErr(t, err, io.EOF)
}

// Entries keep their bytes while their block is held, whatever else is read.
func TestBlocksAreKept(t *testing.T) {
	l, _ := openMem(t, func(o *Options) { o.SegmentBytes, o.MaxBytes, o.MaxPendingBytes = 8<<20, 64<<20, 32<<20 })
	large := strings.Repeat("0123456789", 300_000) // larger than a block
	var all []string
	for i := range 30 {
		all = append(all, fmt.Sprintf("%d %0150000d", i, i))
	}
	all[17] = large
	add(t, l, all...)
	c := l.Cursor(0)
	defer c.Close()
	var held []Entry
	for range all {
		e, err := c.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, e)
	}
	for range 3 { // others use what was given back
		want(t, content(t, l), all...)
	}
	for i, e := range held {
		if string(e.Payload) != all[i] {
			t.Errorf("entry %d has changed", i)
		}
		e.Block.Retain()
		e.Block.Release()
		e.Block.Release()
	}
}

func TestRefusals(t *testing.T) {
	f := func(name string, set func(*Options), op string, fault, target, also error) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, memory := openMem(t, set)
			add(t, l, "before")
			var on atomic.Bool
			on.Store(true)
			memory.SetFault(failing(&on, op, fault))
			memory.SetShort(op == "short")
			if op == "capacity" {
				memory.SetCapacity(1)
			}
			large := strings.Repeat("x", 9<<10)
			err := l.Append([]byte(large)) // a segment of its own
			wantErr(t, err, target)
			wantErr(t, err, also)
			if strings.Contains(err.Error(), "xx") {
				t.Errorf("%v holds bytes of an entry", err)
			}
			wantErr(t, l.Ready(), target)
			wantErr(t, l.Append([]byte(large)), target)
			if err := l.Note([]byte("kept")); err != nil {
				t.Error(err)
			}
			time.Sleep(10 * noteDelay) // it has been tried
			on.Store(false)
			memory.SetShort(false)
			memory.SetCapacity(1 << 30)
			eventually(t, "ready again without any traffic", func() bool { return l.Ready() == nil })
			eventually(t, "what was noted is written", func() bool { return len(content(t, l)) == 2 })
			add(t, l, "after")
			want(t, content(t, l), "before", "kept", "after")
			closeLog(t, l)
			want(t, content(t, open(t, small(memory, nil))), "before", "kept", "after")
		})
	}
	f("disk full", nil, "write", syscall.ENOSPC, ErrFull, syscall.ENOSPC)
	f("disk really full", nil, "capacity", nil, ErrFull, syscall.ENOSPC)
	f("quota", nil, "write", syscall.EDQUOT, ErrFull, syscall.EDQUOT)
	f("bad write", nil, "write", syscall.EIO, syscall.EIO, syscall.EIO)
	f("short write", nil, "short", nil, io.ErrShortWrite, io.ErrShortWrite)
	f("bad sync", nil, "sync", syscall.EIO, syscall.EIO, syscall.EIO)
	f("read-only", nil, "write", syscall.EROFS, syscall.EROFS, syscall.EROFS)
	f("bad directory", nil, "syncdir", syscall.EIO, syscall.EIO, syscall.EIO)
}

// A file whose sync failed once is not trusted again, though the next sync of it
// would report success.
func TestFailedSyncGivesTheFileUp(t *testing.T) {
	l, memory := openMem(t, nil)
	add(t, l, "1")
	var on atomic.Bool
	on.Store(true)
	memory.SetFault(failing(&on, "sync", syscall.EIO))
	wantErr(t, l.Append([]byte("2")), syscall.EIO)
	on.Store(false)
	add(t, l, "3")
	if err := l.Ready(); err != nil {
		t.Errorf("Ready = %v after an append", err)
	}
	c := l.Cursor(0)
	defer c.Close()
	a, _ := c.Next(t.Context())
	b, _ := c.Next(t.Context())
	if string(a.Payload)+string(b.Payload) != "13" || a.Segment >= b.Segment || b.Index != 0 {
		t.Errorf("%q in segment %d, then %q in segment %d", a.Payload, a.Segment, b.Payload, b.Segment)
	}
}

// A disk that takes writes and does not sync them is not ready, however often it
// is tried.
func TestNotReadyUntilSynced(t *testing.T) {
	t.Parallel()
	l, memory := openMem(t, nil)
	var on atomic.Bool
	on.Store(true)
	memory.SetFault(failing(&on, "sync", syscall.EIO))
	wantErr(t, l.Append([]byte("1")), syscall.EIO)
	for end := time.Now().Add(3 * tick / 2); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if l.Ready() == nil {
			t.Fatal("ready")
		}
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	l, memory := openMem(t, func(o *Options) { o.MaxBytes = 32 << 10; o.ReserveBytes = 1 << 20 })
	entry := make([]byte, 1000)
	n := 0
	for l.Append(entry) == nil {
		n++
	}
	if n < 30 || n > 32 {
		t.Errorf("%d entries of 1000 bytes fit into 32 KiB", n)
	}
	wantErr(t, l.Append(entry), ErrFull)
	wantErr(t, l.Ready(), ErrFull)
	notes := 0
	for l.Note(entry) == nil {
		notes++
	}
	if notes < 7 || notes > 9 {
		t.Errorf("%d notes have room when the log is full, want a segment's worth", notes)
	}
	eventually(t, "all of it durable", func() bool { return len(content(t, l)) == n+notes })
	l.Release(l.First() + 4)
	if err := errors.Join(l.Append(entry), l.Ready()); err != nil {
		t.Errorf("after a release: %v", err)
	}

	memory.SetCapacity(700<<10 + 100<<10) // more than half of the reserve is left
	eventually(t, "full", func() bool { return errors.Is(l.Ready(), ErrFull) })
	wantErr(t, l.Append(entry), ErrFull)
	if err := l.Note(entry); err != nil {
		t.Errorf("noting while half of the reserve is left: %v", err)
	}
	memory.SetCapacity(400 << 10)
	eventually(t, "full for notes", func() bool { return errors.Is(l.Note(nil, entry), ErrFull) })
	memory.SetCapacity(1 << 30)
	l.Release(1 << 60)
	eventually(t, "ready", func() bool { return l.Ready() == nil })
}

func TestOverload(t *testing.T) {
	l, memory := openMem(t, func(o *Options) { o.MaxPendingBytes = 64 << 10 })
	hung, release := memory.Hang("write", live)
	entry := make([]byte, 30<<10)
	results := make(chan error)
	for range 5 {
		go func() { results <- l.Append(entry) }()
		<-hung // the first is at the disk; of the others two fit
	}
	for range 2 {
		wantErr(t, <-results, ErrOverloaded)
	}
	wantErr(t, l.Note(entry), ErrOverloaded)
	release()
	for range 3 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
}

// Close lets what waits finish, and returns with its context when the disk
// hangs.
func TestCloseDrains(t *testing.T) {
	l, memory := openMem(t, nil)
	add(t, l, "1")
	hung, release := memory.Hang("write", live)
	results := make(chan error)
	go func() { results <- l.Append([]byte("2")) }()
	<-hung
	if err := l.Note([]byte("3")); err != nil {
		t.Error(err)
	}
	one := l.pending()
	for range 2 {
		go func() { results <- l.Append([]byte("4")) }()
	}
	eventually(t, "three wait", func() bool { return l.pending() == 3*one })
	hurry, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	wantErr(t, l.Close(hurry), context.DeadlineExceeded)
	wantErr(t, l.Append([]byte("late")), ErrClosed)
	wantErr(t, l.Note([]byte("late")), ErrClosed)
	wantErr(t, l.Ready(), ErrClosed)
	release()
	for range 3 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	closeLog(t, l)
	closeLog(t, l)
	memory.SetFault(nil)
	want(t, content(t, open(t, small(memory, nil))), "1", "2", "3", "4", "4")
}

// Closing ends though notes cannot be written.
func TestCloseOnABrokenDisk(t *testing.T) {
	l, memory := openMem(t, nil)
	var on atomic.Bool
	on.Store(true)
	memory.SetFault(failing(&on, "sync", syscall.EIO))
	l.Note([]byte("1"))
	wantErr(t, l.Append([]byte("2")), syscall.EIO)
	l.Note([]byte("3"))
	closeLog(t, l)
}

func TestSecondLogIsRefused(t *testing.T) {
	opt := Options{Dir: t.TempDir() + "/new/log"}
	l := open(t, opt)
	if _, err := Open(opt); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("opening it twice: %v, want a refusal that says why", err)
	}
	closeLog(t, l)
	closeLog(t, open(t, opt))
}

// A full disk does not keep what is there from being read and released.
func TestOpenOnAFullDisk(t *testing.T) {
	t.Parallel()
	l, memory := openMem(t, nil)
	add(t, l, "1")
	closeLog(t, l)
	memory.SetCapacity(1)
	for path := range memory.Files(clean) {
		memory.Remove(path)
	}
	full := open(t, small(memory, nil))
	want(t, content(t, full), "1")
	wantErr(t, full.Ready(), ErrFull)
	wantErr(t, full.Append([]byte("2")), ErrFull)
	full.Release(full.Boot())
	memory.SetCapacity(1 << 30)
	eventually(t, "ready", func() bool { return full.Ready() == nil })
	add(t, full, "2")
	want(t, content(t, full), "2")
}

func TestUsageAndRotate(t *testing.T) {
	var clock atomic.Int64
	clock.Store(1_000_000)
	l, _ := openMem(t, func(o *Options) { o.Now = func() time.Time { return time.UnixMilli(clock.Load()) } })
	if u := l.Usage(); u.Segments != 1 || u.Bytes != headerBytes || !u.Oldest.IsZero() {
		t.Errorf("an empty log is %+v", u)
	}
	clock.Add(5000)
	add(t, l, "1")
	if u := l.Usage(); u.Bytes != headerBytes+frameBytes+1 || !u.Oldest.Equal(time.UnixMilli(1_005_000)) {
		t.Errorf("with one entry it is %+v", u)
	}
	boot := l.First()
	l.Rotate()
	add(t, l, "2")
	l.Release(boot + 9)
	if l.First() > boot+1 {
		t.Error("what is being written was rotated too soon, or released")
	}
	clock.Add(minAge.Milliseconds())
	before := l.Usage().Segments
	l.Rotate()
	eventually(t, "rotated", func() bool { return l.Usage().Segments > before })
	l.Release(boot + 9)
	if u := l.Usage(); u.Segments != 1 || u.Bytes != headerBytes || !u.Oldest.IsZero() {
		t.Errorf("with all released it is %+v", u)
	}
	l.Rotate()
	add(t, l, "3")
	want(t, content(t, l), "3")
}

func TestOptions(t *testing.T) {
	_, err := Open(Options{SegmentBytes: 1, MaxBytes: 1, ReserveBytes: -1, MaxPendingBytes: 1})
	if err == nil {
		t.Fatal("bad options are taken")
	}
	for _, field := range []string{"dir:", "segment bytes:", "max bytes:", "reserve bytes:", "max pending bytes:"} {
		if !strings.Contains(err.Error(), field) {
			t.Errorf("%q lacks %s", err, field)
		}
	}
}
