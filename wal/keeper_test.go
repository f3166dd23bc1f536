package wal

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"assent/disk/disktest"
)

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
	var last []string
	for i := range 40 {
		last = nil
		for j := range 5 {
			e := fmt.Sprintf("%d.%d %01500d", i, j, 0)
			add(t, l, e)
			last = append(last, e)
		}
		l.Release(l.First() + 1)
		eventually(t, "a file is ready", l.keeper.ready)
		want(t, content(t, l), last...)
	}
	if n := created.Load(); n > 6 {
		t.Errorf("%d files created for 40 segments", n)
	}
	closeLog(t, l)
	want(t, content(t, open(t, small(memory, nil))), last...)
}

// What waits to be used again holds nothing of what was in it, at once after a
// wipe and after any start.
func TestSparesAreWiped(t *testing.T) {
	l, memory := openMem(t, nil)
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
		memory.Put("data/log/"+fileName(i, i, dirty), []byte(strings.Repeat("personal", 1000)))
	}
	l = open(t, small(memory, nil))
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

// No spare is made or kept where there is no room for it.
func TestSparesHaveBounds(t *testing.T) {
	memory := disktest.New()
	memory.SetCapacity(1<<20 + 4<<10)
	l := open(t, small(memory, func(o *Options) { o.ReserveBytes = 1 << 20 }))
	add(t, l, "1")
	l.keeper.poke()
	closeLog(t, l)
	if n := len(memory.Files(clean)) + len(memory.Files(dirty)); n != 0 {
		t.Errorf("%d spares on a disk that is nearly full", n)
	}

	l = open(t, small(disktest.New(), func(o *Options) { o.MaxBytes = 2 * o.SegmentBytes }))
	eventually(t, "a file is ready", l.keeper.ready)
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
	l, memory := openMem(t, func(o *Options) { o.Damaged = func(d Damage) { t.Errorf("told of %v", d) } })
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
