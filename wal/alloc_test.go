//go:build !race

package wal

import (
	"context"
	"testing"
)

func TestNothingIsAllocated(t *testing.T) {
	l := open(t, Options{Dir: t.TempDir()})
	eventually(t, "a file is ready", l.recycler.ready)
	c := l.Cursor(0)
	defer c.Close()
	one, two := make([]byte, 1700), make([]byte, 300)
	ctx := context.Background()
	both := func() {
		if err := l.Note(two); err != nil {
			t.Fatal(err)
		}
		if err := l.Append(one, two); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			e, err := c.Next(ctx)
			if err != nil {
				t.Fatal(err)
			}
			e.Block.Release()
		}
	}
	for range 10 { // buffers grow, files are opened
		both()
	}
	if n := testing.AllocsPerRun(500, both); n != 0 {
		t.Errorf("%v allocations for a Note, an Append and three Nexts, want 0", n)
	}
}
