package disktest

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"assent/disk"
)

// TestLikeTheMachine does the same to the file system in memory and to the
// machine's.
func TestLikeTheMachine(t *testing.T) {
	for name, system := range map[string]disk.FS{"memory": New(), "machine": disk.OS{}} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "a", "b")
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			wantErr := func(err, target error) {
				t.Helper()
				if !errors.Is(err, target) {
					t.Errorf("got %v, want %v", err, target)
				}
			}
			must(disk.MakeDir(system, dir))
			must(disk.MakeDir(system, dir))
			path := filepath.Join(dir, "f")
			_, err := system.Open(path)
			wantErr(err, fs.ErrNotExist)
			_, err = system.Create(filepath.Join(dir, "none", "f"))
			wantErr(err, fs.ErrNotExist)
			wantErr(system.Remove(path), fs.ErrNotExist)
			wantErr(system.Rename(path, path+"2"), fs.ErrNotExist)
			f, err := system.Create(path)
			must(err)
			_, err = system.Create(path)
			wantErr(err, fs.ErrExist)
			f.Write([]byte("hello "))
			f.Write([]byte("world"))
			f.WriteAt([]byte("W"), 6)
			f.WriteAt([]byte("!"), 13)
			must(f.Sync())
			must(f.Close())
			must(system.Rename(path, path+"2"))
			must(system.SyncDir(dir))
			f, err = system.OpenRead(path + "2")
			must(err)
			if _, err := f.WriteAt([]byte("x"), 0); err == nil {
				t.Error("a file opened for reading takes writes")
			}
			all, err := io.ReadAll(f)
			must(err)
			if string(all) != "hello World\x00\x00!" {
				t.Errorf("the file holds %q", all)
			}
			if n, err := f.ReadAt(make([]byte, 5), 12); n != 2 || err != io.EOF {
				t.Errorf("reading over the end: %d, %v", n, err)
			}
			f, err = system.Open(path + "2")
			must(err)
			must(f.Truncate(5))
			must(f.Truncate(7))
			if size, err := f.Size(); size != 7 || err != nil {
				t.Errorf("size %d, %v", size, err)
			}
			entries, err := system.ReadDir(dir)
			must(err)
			if len(entries) != 1 || entries[0].Name() != "f2" || entries[0].IsDir() {
				t.Errorf("the directory holds %v", entries)
			}
			lock, err := system.Lock(filepath.Join(dir, ".lock"))
			must(err)
			if _, err := system.Lock(filepath.Join(dir, ".lock")); err == nil {
				t.Error("locked twice")
			}
			must(lock.Close())
			lock, err = system.Lock(filepath.Join(dir, ".lock"))
			must(err)
			must(lock.Close())
			if free, err := system.Free(dir); free <= 0 || err != nil {
				t.Errorf("%d bytes free, %v", free, err)
			}
		})
	}
}

// What was synced survives every cut; what was not is met in every form.
func TestCut(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	met := map[string]bool{}
	for range 300 {
		m := New()
		m.SetSyncTime(0)
		m.Put("d/kept", []byte("kept"))
		m.Put("d/old", bytes.Repeat([]byte("o"), 2000))
		m.Put("d/from", []byte("moved"))
		f, _ := m.Open("d/old")
		f.WriteAt(bytes.Repeat([]byte("n"), 3000), 0)
		m.Rename("d/from", "d/to")
		m.Create("d/fresh")
		synced, _ := m.Create("d/synced")
		synced.Write([]byte("data"))
		synced.Sync()
		after := m.Cut(rng).Files("")
		if after["d/kept"] != "kept" {
			t.Fatal("what was synced is lost")
		}
		if (after["d/from"] == "moved") == (after["d/to"] == "moved") {
			t.Fatalf("a renamed file has both names or none: %v", after)
		}
		old := after["d/old"]
		switch {
		case strings.Trim(old, "o") == "":
			met["old"] = true
		case strings.Trim(old, "n") == "":
			met["new"] = true
		case strings.Contains(old, "no") && strings.Contains(old, "on"):
			met["holes"] = true
		case strings.HasSuffix(old, "\x00"):
			met["NULs"] = true
		}
		_, fresh := after["d/fresh"]
		met["fresh there"] = met["fresh there"] || fresh
		met["fresh lost"] = met["fresh lost"] || !fresh
		met["from"] = met["from"] || after["d/from"] != ""
		met["to"] = met["to"] || after["d/to"] != ""
		if data, there := after["d/synced"]; there && data != "data" {
			t.Fatalf("synced bytes are %q", data)
		}
	}
	for _, form := range []string{"old", "new", "holes", "NULs", "fresh there", "fresh lost", "from", "to"} {
		if !met[form] {
			t.Errorf("never met: %s", form)
		}
	}
}
