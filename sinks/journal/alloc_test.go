//go:build !race

package journal

import (
	"context"
	"testing"
	"time"

	"assent/sinks"
)

func TestCommitAllocatesNothing(t *testing.T) {
	for _, promise := range []sinks.Promise{sinks.Durable, sinks.Delivered} {
		opt := Options{Dir: t.TempDir(), Forwarder: &gated{open: make(chan struct{})}, WindowBytes: 64 << 10}
		if promise == sinks.Delivered {
			opt.DeliverTimeout = time.Microsecond
		}
		j := open(t, opt)
		t.Cleanup(func() { close(opt.Forwarder.(*gated).open) })
		batch := typical(5)
		batch.Promise = promise
		ctx := context.Background()
		for range 100 { // until the window is full: nothing is read any more
			j.Commit(ctx, batch)
		}
		allowed := 0.0
		if promise == sinks.Delivered {
			allowed = 1 // the error
		}
		// What others still read meanwhile is counted as well: there is a time when they do not.
		eventually(t, "a commit that allocates nothing", func() bool {
			return testing.AllocsPerRun(200, func() {
				if err := j.Commit(ctx, batch); err != nil && promise == sinks.Durable {
					t.Fatal(err)
				}
			}) <= allowed
		})
	}
}

func TestAdmitAllocatesNothing(t *testing.T) {
	j := open(t, Options{Dir: t.TempDir(), Forwarder: new(null)})
	eventually(t, "it has recovered", j.recovered.Load)
	j.highWater = -1
	j.sources.of("other").bytes.Store(1)
	if n := testing.AllocsPerRun(100, func() {
		if err := j.Admit("web"); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
