package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// eventFiles is the files of the topic events that are in their place.
func (p *proxy) eventFiles() []string {
	p.t.Helper()
	found, err := filepath.Glob(filepath.Join(p.data, "events", "events", "*.ndjson"))
	if err != nil {
		p.t.Fatal(err)
	}
	return found
}

// TestRotatedByHand: an event that is answered 200 is in a file, whatever was done to the
// file before; a file that was renamed is let go on SIGHUP.
func TestRotatedByHand(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.works()
	newest := func() string {
		t.Helper()
		files := p.eventFiles()
		if len(files) == 0 {
			t.Fatal("no file")
		}
		return files[len(files)-1]
	}

	if err := os.Remove(newest()); err != nil {
		t.Fatal(err)
	}
	p.works()

	path := newest()
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	p.works()
	if data, err := os.ReadFile(path); err != nil || bytes.IndexByte(data, 0) >= 0 || !bytes.HasPrefix(data, []byte("{")) {
		t.Errorf("after it was emptied, the file begins with %.20q, %v", data, err)
	}

	moved := filepath.Join(t.TempDir(), "moved")
	if err := os.Rename(path, moved); err != nil {
		t.Fatal(err)
	}
	p.Signal(t, syscall.SIGHUP)
	eventually(t, "the renamed file is closed", func() bool { return !p.holds(moved) })
	before, err := os.ReadFile(moved)
	if err != nil {
		t.Fatal(err)
	}
	p.works()
	if after, err := os.ReadFile(moved); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the renamed file changed, %v", err)
	}

	if err := os.RemoveAll(filepath.Join(p.data, "events", "events")); err != nil {
		t.Fatal(err)
	}
	p.works()
	if status, body := p.get("/readyz"); status != 200 {
		t.Errorf("not ready: %s", body)
	}
	p.stop()
}

// holds reports whether the program has a file open.
func (p *proxy) holds(path string) bool {
	p.t.Helper()
	open, err := filepath.Glob(filepath.Join("/proc", strconv.Itoa(p.PID()), "fd", "*"))
	if err != nil || len(open) == 0 {
		p.t.Fatalf("its open files cannot be listed: %v", err)
	}
	for _, fd := range open {
		if to, _ := os.Readlink(fd); strings.HasPrefix(to, path) {
			return true
		}
	}
	return false
}
