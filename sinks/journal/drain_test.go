package journal

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"assent/disk/disktest"
	"assent/sinks"
)

// drain is Drain within a bound that only a failure reaches.
func drain(t *testing.T, j *Journal, patience time.Duration) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	empty := j.Drain(ctx, patience)
	if ctx.Err() != nil {
		t.Fatal("draining did not end by itself")
	}
	return empty
}

// backlog is a journal over what a process without a broker left: so many records.
func backlog(t *testing.T, b *broker, opt func(*Options), n int) *Journal {
	t.Helper()
	fs := disktest.New()
	fs.SetSyncTime(0)
	b.allDown = true
	left := open(t, quick(fs, b.client()))
	for i := range n {
		one := single("web", key(i), i, "events")
		one.Events[0].Provenance.At = time.Now().UnixMilli() - 2*late
		commit(t, left, one)
	}
	shut(t, left)
	o := quick(fs, b.client())
	if opt != nil {
		opt(&o)
	}
	return open(t, o)
}

func key(i int) string { return string(rune('a' + i%7)) }

// TestDrains: what a process left goes out, without lingering, and that nothing
// waits is known when Drain says so.
func TestDrains(t *testing.T) {
	const n = 500
	b := newBroker(1, map[string]int32{"events": 3})
	j := backlog(t, b, func(o *Options) { o.Linger = time.Hour; o.MaxBatchBytes = 1 << 20; o.WindowBytes = 64 << 20 }, n)
	b.with(func() { b.allDown = false })
	if !drain(t, j, 0) {
		t.Error("Drain says that something waits")
	}
	if got := b.count(); got != n {
		t.Errorf("%d records stored, want %d", got, n)
	}
	if p := j.Progress(); p != (Progress{Sent: n}) {
		t.Errorf("%+v", p)
	}
	if !drain(t, j, 0) {
		t.Error("an empty journal is not empty")
	}
}

// TestDrainNeedsNoTurn: while the journal drains, late records go out of as many
// queues at a time as there are.
func TestDrainNeedsNoTurn(t *testing.T) {
	turns := max(1, runtime.GOMAXPROCS(0)/2)
	queues := 4*turns + 8
	b := newBroker(1, map[string]int32{"events": int32(queues)})
	fs := disktest.New()
	fs.SetSyncTime(0)
	b.noTopic["events"] = sinks.ReasonUnavailable
	b.sendTime = 5 * time.Millisecond
	opt := quick(fs, b.client())
	opt.MaxBatchRecords = 4
	j := open(t, opt)
	for i := range 40 * queues {
		one := single("web", fmt.Sprintf("k%d", i), i, "events")
		one.Events[0].Provenance.At = time.Now().UnixMilli() - 2*late
		commit(t, j, one)
	}
	go func() { b.with(func() { delete(b.noTopic, "events") }) }()
	drain(t, j, 0)
	most := 0
	for _, others := range b.beside {
		most = max(most, others)
	}
	if most < 2*turns+2 {
		t.Errorf("at most %d queues sent beside another; there are %d turns", most, turns)
	}
}

// TestDrainGivesUp: where no queue gets anything done Drain ends by itself, and
// says what is left; a queue that works is waited for.
func TestDrainGivesUp(t *testing.T) {
	const n = 100
	t.Run("all away", func(t *testing.T) {
		b := newBroker(1, map[string]int32{"events": 3})
		j := backlog(t, b, nil, n)
		if drain(t, j, 20*time.Millisecond) {
			t.Error("Drain says that nothing waits")
		}
		if p := j.Progress(); p != (Progress{Left: n}) {
			t.Errorf("%+v", p)
		}
	})
	t.Run("all hang", func(t *testing.T) {
		b := newBroker(1, map[string]int32{"events": 3})
		b.sendTime, b.unready = time.Hour, true
		fs := disktest.New()
		fs.SetSyncTime(0)
		j := open(t, quick(fs, b.client()))
		commit(t, j, single("web", "k", 1, "events"))
		if drain(t, j, 20*time.Millisecond) {
			t.Error("Drain says that nothing waits")
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = j.Close(ctx) // cuts what hangs
	})
	t.Run("more than the window", func(t *testing.T) {
		b := newBroker(1, map[string]int32{"events": 3})
		if drain(t, backlog(t, b, nil, 2000), 20*time.Millisecond) {
			t.Error("Drain says that nothing waits")
		}
	})
	t.Run("one topic missing", func(t *testing.T) {
		b := newBroker(1, map[string]int32{"events": 3})
		j := backlog(t, b, nil, n)
		commit(t, j, single("web", "k", 1, "missing"))
		b.with(func() { b.allDown = false })
		if drain(t, j, 20*time.Millisecond) {
			t.Error("Drain says that nothing waits")
		}
		if p := j.Progress(); p != (Progress{Sent: n, Left: 1}) {
			t.Errorf("%+v", p)
		}
	})
}

// TestDrainEndsWithItsContext: however patient, and nothing of what waits is lost.
func TestDrainEndsWithItsContext(t *testing.T) {
	b := newBroker(1, map[string]int32{"events": 3})
	j := backlog(t, b, nil, 10)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if j.Drain(ctx, 0) {
		t.Error("Drain says that nothing waits")
	}
	b.with(func() { b.allDown = false })
	if !drain(t, j, 0) || b.count() != 10 {
		t.Errorf("%d records stored", b.count())
	}
}

// TestDrainCounts what a later choice took, and what the broker never wants, apart
// from what was sent.
func TestDrainCounts(t *testing.T) {
	b := newBroker(1, map[string]int32{"events": 1, "events.bad": 1})
	b.poison = "a-0"
	j := backlog(t, b, nil, 20)
	b.with(func() { b.allDown = false })
	if !drain(t, j, 0) {
		t.Error("Drain says that something waits")
	}
	if p := j.Progress(); p.Refused != 1 || p.Sent != 20 || p.Left != 0 {
		t.Errorf("%+v, want 19 records and a bad row sent", p)
	}
}

// TestCloseCutsWhatHangs: a send that hangs does not keep the journal from closing
// in order.
func TestCloseCutsWhatHangs(t *testing.T) {
	b := newBroker(1, map[string]int32{"events": 1})
	b.sendTime = time.Hour
	fs := disktest.New()
	fs.SetSyncTime(0)
	j := open(t, quick(fs, b.client()))
	commit(t, j, single("web", "k", 1, "events"))
	eventually(t, "it is being sent", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.working > 0
	})
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := j.Close(ctx); err != nil {
		t.Error(err)
	}
}
