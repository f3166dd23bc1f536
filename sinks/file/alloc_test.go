//go:build !race

package file

import (
	"context"
	"testing"

	"assent/sinks"
)

// TestCommitAllocatesNothing: but the name of each of two files, for the system to look
// it up before and after a group.
func TestCommitAllocatesNothing(t *testing.T) {
	s, err := Open(Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	ctx := context.Background()
	b := &sinks.Batch{Records: []sinks.Record{eventRecord("a"), eventRecord("b"), eventRecord("a")}}
	commit := func() {
		if err := s.Commit(ctx, b); err != nil {
			t.Fatal(err)
		}
	}
	for range 10 { // buffers grow, files are opened
		commit()
	}
	if n := testing.AllocsPerRun(200, commit); n > 4 {
		t.Errorf("%v allocations per Commit, want 4", n)
	}
}
