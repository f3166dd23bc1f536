package disk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TestOpenFilesAreRenamedAndRemoved: segments are used again under another name
// while somebody still reads them, on every system.
func TestOpenFilesAreRenamedAndRemoved(t *testing.T) {
	var system OS
	path := filepath.Join(t.TempDir(), "a")
	f, err := system.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	reader, err := system.OpenRead(path)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if _, err := f.Write([]byte("kept")); err != nil {
		t.Fatal(err)
	}
	if _, err := system.Create(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second creation: %v", err)
	}
	for _, err := range []error{system.Rename(path, path+"b"), system.SyncDir(filepath.Dir(path)), system.Remove(path + "b"), f.Sync()} {
		if err != nil {
			t.Error(err)
		}
	}
	got := make([]byte, 4)
	if _, err := reader.ReadAt(got, 0); err != nil || string(got) != "kept" {
		t.Errorf("read %q, %v", got, err)
	}
	if _, err := system.Open(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("opening what was renamed: %v", err)
	}
}

// TestAppendedFiles: lines go to the end, wherever others moved the end to, and the
// file tells once its name is no longer its own.
func TestAppendedFiles(t *testing.T) {
	var system OS
	path := filepath.Join(t.TempDir(), "a")
	f, err := system.Append(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	write := func(text string) {
		t.Helper()
		if _, err := f.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	write("first")
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	write("second")
	if err := f.Truncate(3); err != nil {
		t.Fatal(err)
	}
	write("third")
	if got, err := os.ReadFile(path); err != nil || string(got) != "secthird" {
		t.Errorf("read %q, %v", got, err)
	}
	if _, err := f.WriteAt([]byte("x"), 0); err == nil {
		t.Error("it is written in the middle")
	}
	if size, err := f.Linked(); size != 8 || err != nil {
		t.Errorf("Linked = %d, %v", size, err)
	}
	if err := os.Rename(path, path+"b"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Linked(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a name: %v", err)
	}
	if err := os.WriteFile(path, []byte("another"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Linked(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("with another file of the name: %v", err)
	}
	if _, err := system.Append(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second creation: %v", err)
	}
}

func TestLockIsExclusive(t *testing.T) {
	var system OS
	path := filepath.Join(t.TempDir(), ".lock")
	first, err := system.Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := system.Lock(path); err == nil {
		t.Error("two have it")
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := system.Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

func TestFreeTells(t *testing.T) {
	if free, err := (OS{}).Free(t.TempDir()); err != nil || free <= 0 || free > 1<<60 {
		t.Errorf("%d bytes free, %v", free, err)
	}
}

// rootless is a file system of which nothing is there, not even a root.
type rootless struct{ FS }

func (rootless) Mkdir(path string) error {
	return &fs.PathError{Op: "mkdir", Path: path, Err: os.ErrNotExist}
}

// TestMakeDirEnds: where even the root is missing (a drive that is not there) the
// way up ends.
func TestMakeDirEnds(t *testing.T) {
	for _, dir := range []string{"/data/assent", "assent-data/policies"} {
		if err := MakeDir(rootless{}, dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", dir, err)
		}
	}
}
