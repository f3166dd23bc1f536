package wal

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"assent/disk/disktest"
)

// written is a log of one segment: a group for each Append, the last of which
// has several entries.
type written struct {
	path    string
	data    []byte
	entries []string
	starts  []int // of the entries, and where the last one ends
	group   int   // where the last group begins
}

func write(t *testing.T, word string) written {
	t.Helper()
	l, memory := openMem(t, nil)
	var w written
	for i := range 5 {
		w.entries = append(w.entries, fmt.Sprintf("%d %s", i, word))
		add(t, l, w.entries[i])
	}
	last := []string{"last of three " + word, "last, second " + word, "last, third " + word}
	add(t, l, last...)
	w.entries = append(w.entries, last...)
	closeLog(t, l)
	for path, data := range memory.Files(live) {
		w.path, w.data = path, []byte(data)
	}
	at := headerBytes
	for i, e := range w.entries {
		if i == 5 {
			w.group = at
		}
		w.starts = append(w.starts, at)
		at += frameBytes + len(e)
	}
	w.starts = append(w.starts, at)
	if at != len(w.data) {
		t.Fatalf("the segment has %d bytes, want %d", len(w.data), at)
	}
	return w
}

// recovered opens a log that holds these files and returns its content and the
// damage it tells of.
func recovered(t *testing.T, files map[string][]byte) (all []string, told []Damage, memory *disktest.Mem) {
	t.Helper()
	memory = disktest.New()
	memory.SetSyncTime(0)
	for path, data := range files {
		memory.Put(path, data)
	}
	l := open(t, small(memory, func(o *Options) { o.Damaged = func(d Damage) { told = append(told, d) } }))
	all = content(t, l)
	if again := content(t, l); !slices.Equal(again, all) {
		t.Errorf("a second cursor finds %q, the first %q", again, all)
	}
	add(t, l, "new")
	c := l.Cursor(l.Boot())
	want(t, read(t, c), "new")
	c.Close()
	closeLog(t, l)
	return all, told, memory
}

// Each bit flipped costs the entry it is in and nothing else, except in the last
// group, of which nobody can tell whether it was ever whole.
func TestFlippedBytes(t *testing.T) {
	w := write(t, "entry")
	for off := range w.data {
		data := slices.Clone(w.data)
		data[off] ^= 1 << (off % 8)
		all, told, memory := recovered(t, map[string][]byte{w.path: data})
		wantAll, wantTold := w.entries, []Damage{{1, 0, headerBytes}}
		if off >= headerBytes {
			i, _ := slices.BinarySearch(w.starts, off+1)
			i-- // the entry that was hit
			wantTold = []Damage{{1, int64(w.starts[i]), int64(w.starts[i+1] - w.starts[i])}}
			wantAll = slices.Delete(slices.Clone(w.entries), i, i+1)
			if off >= w.group {
				wantAll, wantTold = w.entries[:5], nil
			}
		}
		if !slices.Equal(all, wantAll) || !slices.Equal(told, wantTold) {
			t.Fatalf("byte %d: the log holds %q and tells of %v, want %q and %v", off, all, told, wantAll, wantTold)
		}
		kept := map[string]string{}
		for _, d := range told {
			kept[filepath.Join("data/log", quarantine, fmt.Sprintf("1-%d", d.Offset))] = string(data[d.Offset : d.Offset+d.Bytes])
		}
		got := memory.Files("")
		maps.DeleteFunc(got, func(path, _ string) bool { return !strings.Contains(path, quarantine) })
		if !maps.Equal(got, kept) {
			t.Fatalf("byte %d: in quarantine is %q, want %q", off, got, kept)
		}
	}
}

// A segment cut anywhere holds what was whole before, without the Append that was
// cut through. Whether zeros or a former life's bytes follow makes no difference.
func TestTornTail(t *testing.T) {
	w := write(t, "entry")
	former := write(t, "ENTRY")
	for _, behind := range []string{"nothing", "zeros", "a former life"} {
		for cut := range len(w.data) {
			data := slices.Clone(w.data[:cut])
			switch behind {
			case "zeros":
				data = append(data, make([]byte, 5000)...)
			case "a former life":
				data = append(data, former.data[cut:]...)
			}
			i, _ := slices.BinarySearch(w.starts, cut+1)
			wantAll := w.entries[:max(0, min(i-1, 5))]
			all, told, _ := recovered(t, map[string][]byte{w.path: data})
			if !slices.Equal(all, wantAll) || told != nil {
				t.Fatalf("cut at %d before %s: the log holds %q and tells of %v, want %q", cut, behind, all, told, wantAll)
			}
		}
	}
}

// A hole in the last group ends it, though entries behind the hole are whole.
func TestTornInside(t *testing.T) {
	l, memory := openMem(t, nil)
	add(t, l, "before")
	hung, release := memory.Hang("sync", live)
	done := make(chan struct{})
	go func() { l.Append([]byte("first group")); close(done) }()
	<-hung
	for i := range 4 { // they gather in one group
		l.Note(fmt.Appendf(nil, "noted %d", i))
	}
	release()
	<-done
	eventually(t, "all written", func() bool { return len(content(t, l)) == 6 })
	closeLog(t, l)
	for path, data := range memory.Files(live) {
		hit := []byte(data)
		hit[strings.Index(data, "noted 2")] = 'N'
		all, told, _ := recovered(t, map[string][]byte{path: hit})
		want(t, all, "before", "first group", "noted 0", "noted 1")
		if told != nil {
			t.Errorf("told of %v", told)
		}
	}
}

// Where a later header names the end, what is missing before it is damage even at
// the tail, and what is behind it was never acknowledged.
func TestKnownEnd(t *testing.T) {
	l, memory := openMem(t, nil)
	add(t, l, "1")
	add(t, l, "2")
	var on atomic.Bool
	on.Store(true)
	memory.SetFault(failing(&on, "sync", syscall.EIO))
	wantErr(t, l.Append([]byte("refused")), syscall.EIO)
	on.Store(false)
	add(t, l, "3")
	closeLog(t, l)
	files := map[string][]byte{}
	var first string
	for path, data := range memory.Files(live) {
		files[path] = []byte(data)
		if strings.Contains(path, "/000000000001-") {
			first = path
		}
	}
	whole := files[first]
	end := int64(headerBytes + 2*(frameBytes+1))
	if int64(len(whole)) != end {
		t.Errorf("the segment that was given up has %d bytes, want %d", len(whole), end)
	}
	f := func(name string, data []byte, damage []Damage, entries ...string) {
		t.Helper()
		files[first] = data
		all, told, _ := recovered(t, files)
		if !slices.Equal(all, entries) || !slices.Equal(told, damage) {
			t.Errorf("%s: the log holds %q and tells of %v, want %q and %v", name, all, told, entries, damage)
		}
	}
	f("whole", whole, nil, "1", "2", "3")
	f("more behind", append(slices.Clone(whole), whole[headerBytes:]...), nil, "1", "2", "3")
	f("the last byte gone", whole[:end-1], []Damage{{1, end - 25, 25}}, "1", "3")
	f("all entries gone", whole[:headerBytes], []Damage{{1, headerBytes, 50}}, "3")
	f("empty", nil, []Damage{{1, 0, headerBytes}, {1, headerBytes, 50}}, "3")
	delete(files, first)
	all, told, _ := recovered(t, files)
	if want(t, all, "3"); told != nil {
		t.Errorf("told of %v", told)
	}
}

// A disk that cannot be read makes the cursor's caller wait for a while and then
// costs what cannot be read.
func TestUnreadable(t *testing.T) {
	w := write(t, "entry")
	for _, op := range []string{"open", "read"} {
		t.Run(op, func(t *testing.T) {
			memory := disktest.New()
			memory.Put(w.path, w.data)
			var clock atomic.Int64
			var told []Damage
			l := open(t, small(memory, func(o *Options) {
				o.Now = func() time.Time { return time.UnixMilli(clock.Load()) }
				o.Damaged = func(d Damage) { told = append(told, d) }
			}))
			var on atomic.Bool
			memory.SetFault(func(got, path string) error {
				if on.Load() && got == op && path == w.path {
					return syscall.EIO
				}
				return nil
			})
			c := l.Cursor(0)
			defer c.Close()
			on.Store(true)
			for range 3 {
				_, _, err := c.TryNext()
				wantErr(t, err, syscall.EIO)
				clock.Add(1000)
			}
			on.Store(false)
			want(t, read(t, c), w.entries...)

			lost := l.Cursor(0)
			defer lost.Close()
			on.Store(true)
			_, _, err := lost.TryNext()
			wantErr(t, err, syscall.EIO)
			clock.Add(patience.Milliseconds())
			add(t, l, "new")
			want(t, read(t, lost), "new")
			if len(told) != 1 {
				t.Errorf("told of %v, want one damage", told)
			}
		})
	}
}

// Behind any damage the next whole entry is found, wherever it begins in what was
// read at once, and though a frame's remains come right before it.
func TestNextEntryIsFound(t *testing.T) {
	const nonce = 0x0102030405060708
	whole, starts := sample(nonce, "lost", "first", "second")
	entries := whole[starts[1]:]
	for _, remains := range []int{0, 1, 23, 24, 25} {
		for shift := -30; shift <= 30; shift++ {
			data := make([]byte, headerBytes+blockBytes+shift, 2*blockBytes)
			copy(data[len(data)-remains:], whole[headerBytes:])
			gap := len(data) - headerBytes
			data = append(data, entries...)
			memory := disktest.New()
			memory.Put("d/s", data)
			file, err := memory.OpenRead("d/s")
			if err != nil {
				t.Fatal(err)
			}
			r := newReader(file, &segment{nonce: nonce})
			r.end = int64(len(data))
			_, _, got, err := r.next()
			if err != nil || got != int64(gap) {
				t.Fatalf("shift %d with %d bytes of a frame: a gap of %d, want %d: %v", shift, remains, got, gap, err)
			}
			for _, e := range []string{"first", "and more", "second"} {
				if _, payload, _, err := r.next(); string(payload) != e || err != nil {
					t.Fatalf("shift %d with %d bytes of a frame: %q, want %q: %v", shift, remains, payload, e, err)
				}
			}
			r.close()
		}
	}
}

// A segment that somebody removed is damage; files that are not the log's are
// left alone.
func TestStrangeFiles(t *testing.T) {
	w := write(t, "entry")
	memory := disktest.New()
	memory.Put(w.path, w.data)
	strange := []string{"notes.txt", "1-2.wal", "000000000001-zz.wal", "000000000001-0000000000000001.wal.bak"}
	for _, name := range strange {
		memory.Put("data/log/"+name, []byte("x"))
	}
	var told []Damage
	l := open(t, small(memory, func(o *Options) { o.Damaged = func(d Damage) { told = append(told, d) } }))
	memory.Remove(w.path)
	want(t, content(t, l))
	if len(told) != 1 || told[0] != (Damage{1, 0, int64(len(w.data))}) {
		t.Errorf("told of %v", told)
	}
	closeLog(t, l)
	for _, name := range strange {
		if memory.Files("/" + name)["data/log/"+name] != "x" {
			t.Errorf("%s is gone", name)
		}
	}
	if _, err := memory.OpenRead(filepath.Join("data/log", quarantine, "1-0")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is not there is in quarantine: %v", err)
	}
}
