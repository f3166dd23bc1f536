package main

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"assent/disk/disktest"
	"assent/wal"
)

var update = flag.Bool("update", false, "rewrite golden files")

// golden compares with a file, or writes it.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		g, w := strings.Split(got, "\n"), strings.Split(string(want), "\n")
		i := 0
		for i < min(len(g), len(w)) && g[i] == w[i] {
			i++
		}
		rest := func(lines []string) string { return strings.Join(lines[min(i, len(lines)):min(i+3, len(lines))], "\n") }
		t.Errorf("%s:%d: got\n%s\nwant\n%s\nif that is meant: run with -update, and read the difference", path, i+1, rest(g), rest(w))
	}
}

// TestInspectShowsWhatHoldsNoEntry: a flipped bit, a torn end, and what an
// earlier damage left in quarantine; in text and JSON, none of it with its bytes.
func TestInspectShowsWhatHoldsNoEntry(t *testing.T) {
	memory := disktest.New()
	memory.SetCapacity(100 << 10) // no room for a spare segment, so that all is in the first
	log, err := wal.Open(wal.Options{Dir: "journal", FS: memory, SegmentBytes: 64 << 10, ReserveBytes: 60 << 10})
	if err != nil {
		t.Fatal(err)
	}
	for range 4 {
		if err := log.Append([]byte("canary, which is no entry of a journal")); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	quarantine := filepath.Join(data, "journal", "quarantine")
	if err := os.MkdirAll(quarantine, 0o700); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{filepath.Join(quarantine, "0-4160"): "canary", filepath.Join(quarantine, "1-126"): strings.Repeat("canary", 10)}
	for path, bytes := range memory.Files(".wal") {
		hit := []byte(bytes)
		hit[140] ^= 1            // in the second entry
		clear(hit[len(hit)-10:]) // of the last one
		files[filepath.Join(data, path)] = string(hit) + strings.Repeat("\x00", 5000)
	}
	for path, bytes := range files {
		if err := os.WriteFile(path, []byte(bytes), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out strings.Builder
	for _, args := range [][]string{{"inspect", "--data", data}, {"inspect", "--data", data, "--json"}} {
		c := journalCommand()
		c.SetOut(&out)
		c.SetArgs(args)
		if err := c.Execute(); err != nil {
			t.Fatal(err)
		}
	}
	if strings.Contains(out.String(), "canary") {
		t.Error("it shows what it must not")
	}
	golden(t, "testdata/inspect.txt", out.String())
}
