package file

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"assent/disk"
	"assent/disk/disktest"
	"assent/sinks"
)

// A meddling is what somebody else does to the current file of topic a, which holds
// the line of key 1.
type meddling struct {
	name string
	do   func(path string) error
	want string // the keys of the topic after key 2
}

func appendTo(text string) func(string) error {
	return func(path string) error {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = f.WriteString(text)
		return errors.Join(err, f.Close())
	}
}

func rename(path string) error { return os.Rename(path, path+".1") }

var meddlings = []meddling{
	{"nothing", func(string) error { return nil }, "1 2"},
	{"removed", os.Remove, "2"},
	{"renamed", rename, "2"},
	{"replaced", func(path string) error {
		return errors.Join(rename(path), os.WriteFile(path, []byte(`{"key":"other"}`+"\n"), 0o600))
	}, "other 2"},
	{"emptied", func(path string) error { return os.Truncate(path, 0) }, "2"},
	{"grown", appendTo(`{"key":"other"}` + "\n"), "1 other 2"},
	{"folder removed", func(path string) error { return os.RemoveAll(filepath.Dir(path)) }, "2"},
	{"folder renamed", func(path string) error { return os.Rename(filepath.Dir(path), filepath.Dir(path)+".old") }, "2"},
	{"all removed", func(path string) error { return os.RemoveAll(filepath.Dir(filepath.Dir(path))) }, "2"},
}

// current is the only file of topic a.
func current(t *testing.T, dir string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "a", "*"+extension))
	if err != nil || len(found) != 1 {
		t.Fatalf("files %q, %v", found, err)
	}
	return found[0]
}

// stored is the keys of a topic's files that end with whole lines.
func stored(t *testing.T, dir, topic string) string {
	t.Helper()
	var all []string
	for _, l := range readLines(t, disk.OS{}, filepath.Join(dir, topic)) {
		all = append(all, l.Key)
	}
	return strings.Join(all, " ")
}

// TestMovedFiles: what is acknowledged is in a file of its topic, whatever somebody else
// did to the current one, and no byte is that nobody wrote.
func TestMovedFiles(t *testing.T) {
	for _, m := range meddlings {
		t.Run(m.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "events")
			s, err := Open(Options{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close(t.Context())
			mustCommit(t, s, twoOf("a", "b", "1"))
			path := current(t, dir)
			if err := m.do(path); err != nil {
				t.Fatal(err)
			}
			mustCommit(t, s, twoOf("a", "b", "2"))
			os.Rename(path+".1", filepath.Join(t.TempDir(), "moved"))
			if got := stored(t, dir, "a"); got != m.want {
				t.Errorf("a holds %q, want %q", got, m.want)
			}
			if b := stored(t, dir, "b"); b != "1 2" && m.name != "all removed" {
				t.Errorf("b holds %q", b)
			}
			if _, err := os.Stat(filepath.Join(dir, undoName)); err != nil {
				t.Errorf("the undo record: %v", err)
			}
		})
	}
}

// TestNoLineIsGluedToAHalf: a file that somebody left without its last line feed takes
// no more.
func TestNoLineIsGluedToAHalf(t *testing.T) {
	for name, do := range map[string]func(string) error{
		"cut": func(path string) error { return os.Truncate(path, 5) }, "grown": appendTo("{"),
		"stretched": func(path string) error { return os.Truncate(path, 500) },
	} {
		dir := t.TempDir()
		s, err := Open(Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		mustCommit(t, s, record("a", "1"))
		path := current(t, dir)
		if err := do(path); err != nil {
			t.Fatal(err)
		}
		mustCommit(t, s, record("a", "2"))
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if got := stored(t, dir, "a"); got != "2" {
			t.Errorf("%s: the other file holds %q", name, got)
		}
		s.Close(t.Context())
	}
}

// hooked is the machine's file system; before an operation on an appended file of
// topic a it calls hook once it is set.
type hooked struct {
	disk.OS
	mu   *sync.Mutex
	hook func(op, path string)
}

type hookedFile struct {
	disk.File
	fs   *hooked
	path string
}

func (h *hooked) Append(path string) (disk.File, error) {
	f, err := h.OS.Append(path)
	if err != nil || filepath.Base(filepath.Dir(path)) != "a" {
		return f, err
	}
	return hookedFile{f, h, path}, nil
}

func (h *hooked) call(op, path string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.hook != nil {
		h.hook(op, path)
	}
}

func (f hookedFile) Write(p []byte) (int, error) {
	f.fs.call("write", f.path)
	return f.File.Write(p)
}

func (f hookedFile) Sync() error {
	f.fs.call("sync", f.path)
	err := f.File.Sync()
	f.fs.call("synced", f.path)
	return err
}

func holdsKey2(path string) bool {
	data, _ := os.ReadFile(path)
	return bytes.Contains(data, []byte(`"key":"2"`))
}

// TestMovedDuringAGroup: the same while a group is written. Its IDs count as stored
// once its lines are in files of their topics, once each.
func TestMovedDuringAGroup(t *testing.T) {
	for _, op := range []string{"write", "sync", "synced"} {
		for _, m := range meddlings {
			if m.name == "grown" || m.name == "nothing" || m.name == "all removed" {
				continue
			}
			t.Run(op+" "+m.name, func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "events")
				h := &hooked{mu: &sync.Mutex{}}
				var told []sinks.ID
				s, err := Open(Options{Dir: dir, FS: h, Committed: func(ids []sinks.ID) {
					told = append(told, ids...)
					found, _ := filepath.Glob(filepath.Join(dir, "a", "*"+extension))
					if !slices.ContainsFunc(found, holdsKey2) {
						t.Error("told of IDs whose lines are nowhere")
					}
				}})
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close(t.Context())
				mustCommit(t, s, twoOf("a", "b", "1"))
				path := current(t, dir)
				h.mu.Lock()
				h.hook = func(o, path string) {
					if o == op {
						h.hook = nil
						if err := m.do(path); err != nil {
							t.Error(err)
						}
					}
				}
				h.mu.Unlock()
				b := twoOf("a", "b", "2")
				b.Events = []sinks.Event{{Records: 2, ID: eventID("2")}}
				mustCommit(t, s, b)
				for _, moved := range []string{path + ".1", filepath.Join(dir, "a.old", filepath.Base(path))} {
					if holdsKey2(moved) {
						t.Errorf("%s holds the group too", moved)
					}
				}
				os.Rename(path+".1", filepath.Join(t.TempDir(), "moved"))
				if got := stored(t, dir, "a"); got != m.want {
					t.Errorf("a holds %q, want %q", got, m.want)
				}
				if got := stored(t, dir, "b"); got != "1 2" {
					t.Errorf("b holds %q", got)
				}
				if !slices.Equal(told, []sinks.ID{eventID("2")}) || s.Ready() != nil {
					t.Errorf("told of %x; ready: %v", told, s.Ready())
				}
			})
		}
	}
}

// TestAnothersFileStays: where the first group of a file has to go elsewhere, what
// somebody put in its place is not taken for it.
func TestAnothersFileStays(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "events")
	h := &hooked{mu: &sync.Mutex{}}
	var path string
	h.hook = func(_, p string) {
		h.hook, path = nil, p
		if err := errors.Join(os.Remove(p), os.WriteFile(p, []byte("other"), 0o600)); err != nil {
			t.Error(err)
		}
	}
	s, err := Open(Options{Dir: dir, FS: h})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	mustCommit(t, s, record("a", "1"))
	if data, err := os.ReadFile(path); string(data) != "other" || err != nil {
		t.Errorf("it holds %q, %v", data, err)
	}
}

// TestMovedThenKilled: a file is moved or cut, and the process ends at each step of the
// next group in turn. The neighbour topic loses nothing that was acknowledged and has
// nothing twice.
func TestMovedThenKilled(t *testing.T) {
	killed := errors.New("killed")
	for name, do := range map[string]func(m *disktest.Mem, path string) error{
		"removed": func(m *disktest.Mem, path string) error { return m.Remove(path) },
		"renamed": func(m *disktest.Mem, path string) error { return m.Rename(path, path+".1") },
		"emptied": func(m *disktest.Mem, path string) error {
			f, err := m.Open(path)
			return errors.Join(err, f.Truncate(0))
		},
	} {
		for last, through := 0, false; !through; last++ {
			memory := disktest.New()
			memory.SetSyncTime(0)
			noted := map[sinks.ID]bool{}
			var mu sync.Mutex
			dead := false
			opt := Options{Dir: "events", FS: memory, Now: func() time.Time { return time.Unix(1, 0) }, Committed: func(ids []sinks.ID) {
				mu.Lock()
				defer mu.Unlock()
				for _, id := range ids {
					noted[id] = noted[id] || !dead
				}
			}}
			event := func(id string) *sinks.Batch {
				b := twoOf("a", "b", id)
				b.Events = []sinks.Event{{Records: 2, ID: eventID(id)}}
				return b
			}
			s, err := Open(opt)
			if err != nil {
				t.Fatal(err)
			}
			mustCommit(t, s, event("1"))
			for path := range memory.Files(extension) {
				if strings.HasPrefix(path, "events/a/") {
					if err := do(memory, path); err != nil {
						t.Fatal(err)
					}
				}
			}
			step := 0
			memory.SetFault(func(string, string) error {
				mu.Lock()
				defer mu.Unlock()
				if step++; step > last {
					dead = true
					return killed
				}
				return nil
			})
			err = s.Commit(t.Context(), event("2"))
			mu.Lock()
			through = err == nil && !dead
			dead = true
			mu.Unlock()
			memory.SetFault(func(string, string) error { return killed })
			s.Close(t.Context())
			memory.SetFault(nil)
			dead = false
			opt.Now = func() time.Time { return time.Unix(2, 0) }
			again, err := Open(opt)
			if err != nil {
				t.Fatal(err)
			}
			if !noted[eventID("1")] {
				t.Fatalf("%s, killed at step %d: what was acknowledged is not noted", name, last)
			}
			if !noted[eventID("2")] {
				mustCommit(t, again, event("2"))
			}
			again.Close(t.Context())
			for path := range memory.Files(".ndjson.1") {
				memory.Remove(path)
			}
			if a, b := keys(t, memory, "a"), keys(t, memory, "b"); a != "2" || b != "1 2" {
				t.Fatalf("%s, killed at step %d: a holds %q and b %q", name, last, a, b)
			}
		}
	}
}

// TestOlderUndoRecord: after power loss the record may be one of an earlier group. The
// lines that came after that group stay, also where a neighbour was cut since.
func TestOlderUndoRecord(t *testing.T) {
	memory := disktest.New()
	s, err := Open(Options{Dir: "events", FS: memory})
	if err != nil {
		t.Fatal(err)
	}
	mustCommit(t, s, twoOf("a", "b", "1"))
	record1 := []byte(memory.Files(undoName)["events/"+undoName])
	record1[sumOffset] ^= 0xff // not marked yet
	mustCommit(t, s, record("b", "2"))
	s.Close(t.Context())
	for path := range memory.Files(extension) {
		if strings.HasPrefix(path, "events/a/") {
			memory.Put(path, nil)
		}
	}
	memory.Put("events/"+undoName, record1)
	again, err := Open(Options{Dir: "events", FS: memory})
	if err != nil {
		t.Fatal(err)
	}
	again.Close(t.Context())
	if b := keys(t, memory, "b"); b != "1 2" {
		t.Errorf("b holds %q", b)
	}
}

// TestReopenUnderLoad: the writer hears of it though the next group always waits before
// it is through with the last.
func TestReopenUnderLoad(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "events")
	h := &hooked{mu: &sync.Mutex{}}
	s, err := Open(Options{Dir: dir, FS: h})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	var over atomic.Bool
	var running sync.WaitGroup
	commit := func() {
		if err := s.Commit(context.Background(), record("a", "1")); err != nil {
			t.Error(err)
		}
	}
	h.hook = func(op, _ string) {
		if op != "write" || over.Load() {
			return
		}
		running.Go(commit)
		for waits := false; !waits; runtime.Gosched() {
			s.mu.Lock()
			waits = s.filling.bytes > 0
			s.mu.Unlock()
		}
	}
	commit()
	files := func() int {
		found, _ := filepath.Glob(filepath.Join(dir, "a", "*"+extension))
		return len(found)
	}
	defer running.Wait()
	defer over.Store(true)
	s.Reopen()
	eventually(t, "another file", func() bool { return files() == 2 })
}

// TestUnwritableFolder: a node that can make no file is not ready, though its open files
// take lines and nobody sends any.
func TestUnwritableFolder(t *testing.T) {
	t.Parallel()
	for _, folder := range []string{"events", "events/a"} {
		s, memory := openMem(t, nil)
		mustCommit(t, s, record("a", "1"))
		memory.SetFault(func(op, path string) error {
			if op == "create" && filepath.Dir(path) == folder {
				return syscall.EROFS
			}
			return nil
		})
		eventually(t, "not ready", func() bool { return s.Ready() != nil })
		wantReason(t, s.Ready(), sinks.ReasonIO)
		memory.SetFault(nil)
		eventually(t, "ready again", func() bool { return s.Ready() == nil })
	}
}
