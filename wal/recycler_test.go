package wal

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"assent/disk/disktest"
)

// fast is a clock that runs fast.
func fast(o *Options) {
	var clock atomic.Int64
	o.Now = func() time.Time { return time.UnixMilli(clock.Add(1000)) }
}

// Files are used again, and none of what was in them comes back.
func TestFilesAreUsedAgain(t *testing.T) {
	l, memory := openMem(t, nil)
	created := atomic.Int64{}
	memory.SetFault(func(op, path string) error {
		if op == "create" {
			created.Add(1)
		}
		return nil
	})
	var all []string
	check := func(l *Log) {
		t.Helper()
		got := content(t, l)
		want(t, got, all[max(0, len(all)-len(got)):]...)
	}
	for i := range 200 {
		all = append(all, fmt.Sprintf("%d %01500d", i, 0))
		add(t, l, all[i])
		if i%5 == 4 {
			l.Release(l.First() + 1)
			eventually(t, "a file can be used again", func() bool { return len(memory.Files(clean))+len(memory.Files(dirty)) > 0 })
			check(l)
		}
	}
	if n := created.Load(); n > 20 {
		t.Errorf("%d files created for 40 segments", n)
	}
	closeLog(t, l)
	again := open(t, small(memory, nil))
	check(again)
	if n := len(content(t, again)); n < 1 || n > 60 {
		t.Errorf("%d entries are left", n)
	}
}

// The first segment of a new log grows; it is left for a better file as soon as
// there is one, and without a trace while it is empty.
func TestGrowingFileIsLeft(t *testing.T) {
	l := open(t, small(disktest.New(), nil))
	eventually(t, "a file is ready", l.recycler.ready)
	add(t, l, "1")
	c := l.Cursor(0)
	defer c.Close()
	if e, err := c.Next(t.Context()); err != nil || e.Segment != l.Boot()+1 || l.Usage().Segments != 1 {
		t.Errorf("the first entry is in segment %d of %d: %v", e.Segment, l.Usage().Segments, err)
	}
}

// What waits to be used again holds nothing of what was in it, at once after a
// wipe and after any start.
func TestSparesAreWiped(t *testing.T) {
	l, memory := openMem(t, fast)
	for range 20 {
		add(t, l, strings.Repeat("personal", 200))
	}
	l.Release(1 << 60)
	noTrace := func() bool {
		for path, data := range memory.Files("") {
			if !strings.HasSuffix(path, live) && strings.Contains(data, "personal") {
				return false
			}
		}
		return len(memory.Files(clean)) > 0
	}
	eventually(t, "wiped", noTrace)
	closeLog(t, l)
	for i := range uint64(5) {
		memory.Put("data/log/"+fileName(i, i, dirty), []byte(strings.Repeat("personal", 3000))) // more than a segment
	}
	l = open(t, small(memory, fast))
	eventually(t, "wiped", noTrace)
	if n := len(memory.Files(clean)) + len(memory.Files(dirty)); n > maxSpares {
		t.Errorf("%d spares are kept", n)
	}
	closeLog(t, l)

	// Nobody wipes what is left when the process ends: it is removed.
	memory.SetFault(func(op, path string) error {
		if op == "write" && strings.HasSuffix(path, dirty) {
			return syscall.EIO
		}
		return nil
	})
	l = open(t, small(memory, nil))
	for range 20 {
		add(t, l, strings.Repeat("personal", 200))
	}
	l.Release(1 << 60)
	closeLog(t, l)
	if n := len(memory.Files(dirty)); n > 0 {
		t.Errorf("%d files are left as they were", n)
	}
}

// A busy log uses files as they are, but not for long: half a minute later nothing
// of their former life is left, be there traffic or not.
func TestStaleBytesGo(t *testing.T) {
	t.Parallel()
	for _, entries := range []int{1, 5} { // less than half of a segment, and more
		t.Run(fmt.Sprint(entries), func(t *testing.T) {
			t.Parallel()
			var clock atomic.Int64
			l, memory := openMem(t, func(o *Options) {
				o.Now = func() time.Time { return time.UnixMilli(clock.Load()) }
			})
			trace := func(state string) bool {
				for _, data := range memory.Files(state) {
					if strings.Contains(data, "personal") {
						return true
					}
				}
				return false
			}
			fill := func(n int, word string) {
				for range n {
					add(t, l, strings.Repeat(word, 150))
				}
			}
			for !l.active.stale || l.active.entries > 1 { // run has nothing to do now
				fill(1, "personal")
				if l.active.entries > 4 {
					l.Release(1 << 60)
					eventually(t, "released", func() bool { return l.Usage().Segments == len(memory.Files(live)) })
				}
			}
			fill(entries, "harmless")
			l.Release(1 << 60)
			if l.Usage().Segments != 1 || !trace(live) {
				t.Fatal("no file is used as it is: the test proves nothing")
			}
			before := l.First()
			eventually(t, "renewed", func() bool { clock.Add(10); return l.Usage().Segments > 1 })
			l.Release(before)
			eventually(t, "gone from what waits", func() bool { clock.Add(10); return !trace(dirty) && !trace(clean) })
			for path, data := range memory.Files(live) {
				if strings.Contains(path, fmt.Sprintf("/%012d-", before)) && strings.Count(data, "personal") > 150 {
					t.Errorf("%s holds more than its own entry", path)
				}
			}
		})
	}
}

// The names of released segments go one after the other, each durably before the
// next, also when the disk fails meanwhile.
func TestReleasedInOrder(t *testing.T) {
	l, memory := openMem(t, nil)
	for range 60 {
		add(t, l, strings.Repeat("x", 1000))
	}
	first, segments := l.First(), l.Usage().Segments
	if segments < 7 {
		t.Fatalf("%d segments: the test proves little", segments)
	}
	var pending, gone []string
	var broken atomic.Int64
	broken.Store(3)
	memory.SetFault(func(op, path string) error { // one at a time
		switch {
		case op == "rename" && strings.HasSuffix(path, live), op == "remove" && strings.HasSuffix(path, live):
			if broken.Add(-1) == 0 {
				return syscall.EIO
			}
			if pending = append(pending, path); len(pending) > 1 {
				t.Errorf("%q go together", pending)
			}
		case op == "syncdir":
			gone = append(gone, pending...)
			pending = nil
		}
		return nil
	})
	l.Release(first + 6)
	eventually(t, "released", func() bool { return len(memory.Files(live)) == segments-6 })
	closeLog(t, l)
	if !slices.IsSorted(gone) || len(gone) != 6 {
		t.Errorf("released in the order %q", gone)
	}
}

// Large files go bit by bit where there is space, and at once where it is needed.
func TestRemovedBitByBit(t *testing.T) {
	const whole, segments = 3 << 20, 8
	for _, c := range []struct {
		name  string
		space int64 // left on the disk
		limit int64 // of log and such files
		parts int   // that are taken off a file before it goes
	}{
		{"space", 2 * plenty, 0, 2},
		{"little on the disk", plenty / 2, 0, 0},
		{"little for the log", 2 * plenty, 3 * whole, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l, memory := openMem(t, func(o *Options) {
				o.SegmentBytes, o.MaxBytes, o.LeisureBytes, o.ReserveBytes = whole, 64*whole, c.limit, 1
			})
			for l.Usage().Segments < segments {
				add(t, l, strings.Repeat("x", 1<<20-100))
			}
			eventually(t, "spares are ready", func() bool { return len(memory.Files(dirty)) == 0 })
			used := int64(0)
			for data := range maps.Values(memory.Files("")) {
				used += int64(len(data))
			}
			memory.SetCapacity(used + c.space)
			eventually(t, "the space is known", func() bool { return l.free.Load() <= c.space })
			var mu sync.Mutex
			parts, removed := map[string]int{}, 0
			memory.SetFault(func(op, path string) error {
				mu.Lock()
				defer mu.Unlock()
				if op == "truncate" {
					parts[path]++
				}
				if op == "remove" {
					if parts[path] == c.parts {
						removed++
					}
				}
				return nil
			})
			l.Release(1 << 60)
			eventually(t, "removed", func() bool {
				return len(memory.Files("")) <= l.Usage().Segments+maxSpares
			})
			memory.SetFault(nil)
			least := segments - 1 - maxSpares - 1 // one may have been short
			if c.limit > 0 {
				least = 3 // until what is left may take its time
			}
			if removed < least {
				t.Errorf("%d files were removed after %d parts of each, want %d", removed, c.parts, least)
			}
		})
	}
}

// No spare is made or kept where there is no room for it.
func TestSparesHaveBounds(t *testing.T) {
	memory := disktest.New()
	memory.SetCapacity(1<<20 + 4<<10)
	l := open(t, small(memory, func(o *Options) { o.ReserveBytes = 1 << 20 }))
	add(t, l, "1")
	l.recycler.wake()
	closeLog(t, l)
	if n := len(memory.Files(clean)) + len(memory.Files(dirty)); n != 0 {
		t.Errorf("%d spares on a disk that is nearly full", n)
	}

	l = open(t, small(disktest.New(), func(o *Options) { o.MaxBytes = 2 * o.SegmentBytes }))
	eventually(t, "a file is ready", l.recycler.ready)
	for range 12 {
		add(t, l, strings.Repeat("x", 1000))
	}
	l.Release(l.First() + 1)
	memory = l.opt.FS.(*disktest.Mem)
	eventually(t, "released", func() bool { return len(memory.Files(live)) == l.Usage().Segments })
	total := 0
	for data := range maps.Values(memory.Files("")) {
		total += len(data)
	}
	if limit := int(l.opt.MaxBytes + l.opt.SegmentBytes); total > limit {
		t.Errorf("%d bytes on disk, want at most %d", total, limit)
	}
}

// A cursor that stands in a segment when it is released goes on with the next one
// and takes the file's new life neither for entries nor for damage.
func TestCursorInAReleasedSegment(t *testing.T) {
	l, memory := openMem(t, func(o *Options) {
		fast(o)
		o.Damaged = func(d Damage) { t.Errorf("told of %v", d) }
	})
	add(t, l, "read")
	c := l.Cursor(0)
	defer c.Close()
	want(t, read(t, c), "read")
	for range 8 {
		add(t, l, strings.Repeat("unread", 200))
	}
	first := l.First()
	l.Release(first + 1)
	eventually(t, "wiped", func() bool { return len(memory.Files(clean)) == 2 })
	add(t, l, "next")
	got := read(t, c)
	if len(got) == 0 || got[len(got)-1] != "next" || len(got) > 4 {
		t.Errorf("the cursor goes on with %d entries", len(got))
	}
}
