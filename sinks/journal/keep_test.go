package journal

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"assent/disk/disktest"
	"assent/sinks"
	"assent/wal"
)

// TestFairness: past the high-water mark a flood is turned away and others are
// not; a full journal takes nothing; a drained one everything.
func TestFairness(t *testing.T) {
	b := newBroker(1, map[string]int32{"events": 1})
	b.allDown = true
	fs := memory()
	opt := quick(fs, b.client())
	opt.MaxBytes, opt.HighWater = 1<<20, 0.5
	j := open(t, opt)
	big := func(source string, i int) *sinks.Batch {
		batch := single(source, "k", i, "events")
		batch.Records[0].Value = make([]byte, 1000)
		return batch
	}
	commit(t, j, big("calm", 0))
	i := 1
	var err error
	for ; err == nil && i < 2000; i++ {
		err = j.Commit(context.Background(), big("flood", i))
	}
	if sinks.ReasonOf(err) != sinks.ReasonOverloaded || sinks.ClassOf(err) != sinks.Retriable {
		t.Fatalf("the flood: %v", err)
	}
	if used, room := j.used.Load(), j.room; used < room/2 || used > room*6/10 {
		t.Errorf("the flood was turned away at %d of %d", used, room)
	}
	if err := j.Admit("flood"); sinks.ReasonOf(err) != sinks.ReasonOverloaded {
		t.Errorf("the flood is admitted: %v", err)
	}
	for _, source := range []string{"calm", "new", ""} {
		if err := j.Admit(source); err != nil {
			t.Errorf("%q is not admitted: %v", source, err)
		}
	}
	if err := j.Ready(); err != nil {
		t.Errorf("not ready: %v", err)
	}
	held := j.sources.all()["flood"].bytes.Load()
	shut(t, j)

	opt.Forwarder, opt.HighWater = b.client(), 0.45 // it ended at the mark
	j = open(t, opt)
	eventually(t, "the accounts are recovered", func() bool { return j.records.Load() == int64(i-1) })
	if got := j.sources.of("flood").bytes.Load(); got != held {
		t.Errorf("the flood holds %d bytes after a restart, want %d", got, held)
	}
	if err := j.Admit("flood"); err == nil {
		t.Error("the flood is admitted after a restart")
	}
	for n := 0; err == nil || n < 10; n++ {
		err = j.Commit(context.Background(), big(fmt.Sprintf("s%d", n), n))
	}
	if j.used.Load() < j.room {
		t.Errorf("refused at %d of %d", j.used.Load(), j.room)
	}
	for _, source := range []string{"calm", "brand-new", ""} {
		if err := j.Admit(source); sinks.ReasonOf(err) != sinks.ReasonOverloaded {
			t.Errorf("%q is admitted to a full journal", source)
		}
	}
	if err := j.Ready(); sinks.ReasonOf(err) != sinks.ReasonOverloaded {
		t.Errorf("a full journal is ready: %v", err)
	}
	b.with(b.repair)
	empty(t, j)
	eventually(t, "everybody is admitted", func() bool { return j.Admit("flood") == nil && j.Ready() == nil })
}

// TestLoneFlood: a flood without company is turned away while there is room for
// others.
func TestLoneFlood(t *testing.T) {
	b := newBroker(1, map[string]int32{"events": 1})
	b.allDown = true
	opt := quick(memory(), b.client())
	opt.MaxBytes, opt.HighWater = 1<<20, 0.8
	j := open(t, opt)
	var err error
	for i := 0; err == nil && i < 2000; i++ {
		batch := single("flood", "k", i, "events")
		batch.Records[0].Value = make([]byte, 1000)
		err = j.Commit(context.Background(), batch)
	}
	if !errors.Is(err, errShare) || j.used.Load() > j.room*85/100 {
		t.Fatalf("at %d of %d: %v", j.used.Load(), j.room, err)
	}
	for i, source := range []string{"quiet", "other"} {
		if err := j.Commit(context.Background(), single(source, "q", i, "events")); err != nil {
			t.Errorf("%s is turned away: %v", source, err)
		}
	}
}

// TestPinned: one record that cannot be delivered does not keep what comes after
// it, in this process or the next, and what it says of the accounts is true.
func TestPinned(t *testing.T) {
	b := newBroker(1, map[string]int32{"events": 3})
	fs := memory()
	opt := quick(fs, b.client())
	opt.MaxBytes = 1 << 20
	retired := map[sinks.ID]int{}
	opt.Retire = func(ids []sinks.ID) error {
		for _, id := range ids {
			retired[id]++
		}
		return nil
	}
	j := open(t, opt)
	commit(t, j, single("web", "pin", 0, "missing", "events"))
	held := int64(0)
	for life := range 3 {
		for i := range 1500 {
			batch := single("web", "k", 1500*life+i, "events")
			batch.Records[0].Value = make([]byte, 1000)
			for j.Commit(context.Background(), batch) != nil { // the broker is behind
				time.Sleep(time.Millisecond)
			}
		}
		eventually(t, "all others are settled", func() bool { return j.records.Load() == 1 })
		eventually(t, "few segments", func() bool { return j.log.Usage().Segments <= 5 })
		// The back scan may have read an entry just before its segment went.
		gone := j.log.First() + 1
		if j.log.Holds(gone) {
			t.Fatalf("segment %d is still there", gone)
		}
		settled, _ := appendEvent(nil, &sinks.Event{}, []sinks.Record{record("events", "k", 0)}, 1, 0, false)
		j.mu.Lock()
		j.distributeLocked(&wal.Entry{Segment: gone, Payload: settled}, position{seg: gone}, false)
		if slices.ContainsFunc(j.segments.list, func(g *segment) bool { return g.number == gone }) {
			t.Error("a record of a segment that is gone is sent again")
		}
		j.mu.Unlock()
		if got := j.sources.of("web").bytes.Load(); life > 0 && got != held {
			t.Errorf("%d bytes wait, want %d", got, held)
		} else {
			held = got
		}
		shut(t, j)
		opt.Forwarder = b.client()
		j = open(t, opt)
		eventually(t, "the accounts are recovered", j.recovered.Load)
		if got := j.sources.of("web").bytes.Load(); got != held {
			t.Errorf("%d bytes wait after a restart, want %d", got, held)
		}
	}
	b.with(func() { b.counts["missing"] = 1 })
	empty(t, j)
	if n := b.count(); n != 4502 {
		t.Errorf("%d records stored, want 4502", n)
	}
	eventually(t, "released", func() bool { return j.log.Usage().Segments == 1 })
	shut(t, j)
	for id, n := range retired {
		if n != 1 {
			t.Errorf("%s is retired %d times", id[:], n)
		}
	}
}

// TestDiskFull: a full disk refuses commits and readiness, loses nothing, lets
// the journal drain, and takes commits again by itself.
func TestDiskFull(t *testing.T) {
	b := newBroker(1, map[string]int32{"events": 1})
	b.allDown = true
	fs := memory()
	opt := quick(fs, b.client())
	opt.ReserveBytes = 256 << 10
	fs.SetCapacity(1 << 20)
	j := open(t, opt)
	n := 0
	for ; ; n++ {
		if err := j.Commit(context.Background(), single("web", "ada", n, "events")); err != nil {
			if c := sinks.ClassOf(err); c != sinks.Retriable {
				t.Errorf("%v is of class %d", err, c)
			}
			break
		}
	}
	if err := j.Ready(); err == nil {
		t.Error("ready")
	}
	if err := j.Admit("web"); sinks.ReasonOf(err) != sinks.ReasonDiskFull {
		t.Errorf("admitted: %v", err)
	}
	b.with(b.repair)
	empty(t, j)
	inOrder(t, b, "events", n)
	eventually(t, "ready", func() bool { return j.Ready() == nil && j.Admit("web") == nil })
	commit(t, j, single("web", "ada", n, "events"))
}

// TestDiskFails: while the disk refuses writes nothing is acknowledged, and what
// was is delivered.
func TestDiskFails(t *testing.T) {
	b := newBroker(1, map[string]int32{"events": 1})
	fs := memory()
	j := open(t, quick(fs, b.client()))
	commit(t, j, single("web", "ada", 0, "events"))
	idle(t, j)
	fs.SetFault(func(op, path string) error {
		if strings.HasSuffix(path, ".wal") && (op == "write" || op == "sync") {
			return errors.New("input/output error")
		}
		return nil
	})
	if err := j.Commit(context.Background(), single("web", "ada", 1, "events")); sinks.ReasonOf(err) != sinks.ReasonIO {
		t.Errorf("committed: %v", err)
	}
	if err := j.Admit("web"); sinks.ReasonOf(err) != sinks.ReasonIO {
		t.Errorf("admitted: %v", err)
	}
	if err := j.Ready(); sinks.ReasonOf(err) != sinks.ReasonIO {
		t.Errorf("ready: %v", err)
	}
	fs.SetFault(nil)
	eventually(t, "ready", func() bool { return j.Ready() == nil })
	commit(t, j, single("web", "ada", 2, "events"))
	empty(t, j)
	if got := ids(b.records("events")[0]); got[0] != "ada-0" || got[len(got)-1] != "ada-2" {
		t.Errorf("stored %v", got)
	}
}

// TestClose: what is being sent may finish; what waits is there for the next
// process, in order; nothing is taken any more.
func TestClose(t *testing.T) {
	b := newBroker(1, map[string]int32{"events": 1})
	b.sendTime = 30 * time.Millisecond
	fs := memory()
	c := b.client()
	j := open(t, quick(fs, c))
	for i := range 500 {
		commit(t, j, single("web", "ada", i, "events"))
	}
	eventually(t, "something is sent", func() bool { return b.count() > 0 })
	shut(t, j)
	sent := b.count()
	if sent == 0 || sent == 500 {
		t.Fatalf("%d of 500 were sent; the test needs some", sent)
	}
	if err := j.Commit(context.Background(), single("web", "ada", 500, "events")); sinks.ReasonOf(err) != sinks.ReasonClosed {
		t.Errorf("committed: %v", err)
	}
	if sinks.ReasonOf(j.Admit("web")) != sinks.ReasonClosed || sinks.ReasonOf(j.Ready()) != sinks.ReasonClosed {
		t.Error("admits or is ready")
	}
	if !c.closed {
		t.Error("the forwarder is open")
	}
	b.with(b.repair)
	j = open(t, quick(fs, b.client()))
	empty(t, j)
	inOrder(t, b, "events", 500)
	if b.repeats > 0 {
		t.Errorf("%d repeats after an orderly end", b.repeats)
	}
	if got := j.m.recovered.Get(); int(got) != 500-sent {
		t.Errorf("%d recovered, want %d", got, 500-sent)
	}
}

// TestCloseInTime: a send that hangs does not keep Close beyond its context.
func TestCloseInTime(t *testing.T) {
	b := newBroker(1, map[string]int32{"events": 1})
	b.sendTime = time.Hour
	j, err := Open(quick(memory(), b.client()))
	if err != nil {
		t.Fatal(err)
	}
	commit(t, j, single("web", "ada", 1, "events"))
	eventually(t, "it is being sent", func() bool { j.mu.Lock(); defer j.mu.Unlock(); return len(j.queues) > 0 && j.queues[0].inFlight > 0 })
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := j.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("closed: %v", err)
	}
	shut(t, j)
}

// TestIDs: every ID is in the journal or was handed to Retire, whatever fails.
func TestIDs(t *testing.T) {
	b := newBroker(1, map[string]int32{"events": 1})
	var mu sync.Mutex
	retired := map[sinks.ID]int{}
	failures := 0
	retire := func(ids []sinks.ID) error {
		mu.Lock()
		defer mu.Unlock()
		if failures++; failures%2 == 1 {
			return errors.New("no")
		}
		for _, id := range ids {
			retired[id]++
		}
		return nil
	}
	fs := memory()
	opt := quick(fs, b.client())
	opt.Retire = retire
	j := open(t, opt)
	for i := range 1000 {
		commit(t, j, single("web", "ada", i, "events"))
	}
	empty(t, j)
	eventually(t, "released", func() bool { return j.log.Usage().Segments == 1 })
	shut(t, j)
	var recovered []sinks.ID
	opt.Forwarder = b.client()
	opt.Recovered = func(id sinks.ID) { mu.Lock(); defer mu.Unlock(); recovered = append(recovered, id) }
	j = open(t, opt)
	empty(t, j)
	mu.Lock()
	defer mu.Unlock()
	seen := map[sinks.ID]bool{}
	for _, id := range recovered {
		seen[id] = true
	}
	for i := range 1000 {
		if id := eventID("ada", i); retired[id] == 0 && !seen[id] {
			t.Fatalf("the ID of event %d is nowhere", i)
		}
	}
	if len(retired) < 500 {
		t.Errorf("%d retired", len(retired))
	}
	// None where the last event was also the last of its segment.
	if last := len(recovered) - 1; last >= 0 && recovered[last] != eventID("ada", 999) || !slices.IsSortedFunc(recovered, byNumber) {
		t.Errorf("%d recovered, not in order up to the last", len(recovered))
	}
}

func byNumber(a, b sinks.ID) int {
	var n, m int
	fmt.Sscanf(string(a[:]), "ada-%d", &n)
	fmt.Sscanf(string(b[:]), "ada-%d", &m)
	return n - m
}

// TestIdleIsEmptied: what is delivered does not stay on disk until a segment is
// full.
func TestIdleIsEmptied(t *testing.T) {
	b := newBroker(1, map[string]int32{"events": 1})
	fs := memory()
	opt := quick(fs, b.client())
	var mu sync.Mutex
	now := time.Unix(1_800_000_000, 0)
	opt.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	j := open(t, opt)
	for i := 0; j.log.First() == j.log.Boot(); i++ { // the first segment is left as soon as a spare one is ready
		commit(t, j, single("web", "ada", i, "events"))
		time.Sleep(time.Millisecond)
	}
	batch := single("web", "ada", 9999, "events")
	batch.Records[0].Value = []byte(`"canary"`)
	commit(t, j, batch)
	empty(t, j)
	eventually(t, "the segment is gone", func() bool {
		mu.Lock()
		now = now.Add(2 * time.Minute) // each time: what settles late counts as activity
		mu.Unlock()
		for _, data := range fs.Files("") {
			if strings.Contains(data, "canary") {
				return false
			}
		}
		return true
	})
	before := j.log.First()
	mu.Lock()
	now = now.Add(time.Hour)
	mu.Unlock()
	time.Sleep(50 * time.Millisecond)
	if first := j.log.First(); first > before+1 {
		t.Errorf("an idle journal went from segment %d to %d", before, first)
	}
}

// TestRestartIsEmptied: what an earlier process had delivered is released though
// nothing new is written.
func TestRestartIsEmptied(t *testing.T) {
	b := newBroker(1, map[string]int32{"events": 1})
	fs := memory()
	j := open(t, quick(fs, b.client()))
	commit(t, j, single("web", "ada", 1, "events"))
	empty(t, j)
	shut(t, j)
	j = open(t, quick(fs, b.client()))
	eventually(t, "released", func() bool { return j.log.First() == j.log.Boot() })
}

// TestDamage: bytes rot in what an earlier process left. What they ate is lost
// and reported; everything else arrives once and in order, and the segments go.
func TestDamage(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			b := newBroker(seed, map[string]int32{"events": 1})
			b.sendTime = 2 * time.Millisecond
			b.lose = 0.3
			fs := memory()
			j := open(t, quick(fs, b.client()))
			const n = 400
			for i := range n {
				commit(t, j, single("web", "ada", i, "events"))
			}
			shut(t, j)
			flips := 0
			for path, data := range fs.Files(".wal") {
				end := len(strings.TrimRight(data, "\x00"))
				for off := 64 + b.rng.IntN(3000); off < end; off += 4000 {
					fs.Flip(path, int64(off), 0xff)
					flips++
				}
			}
			b.with(b.repair)
			opt := quick(fs, b.client())
			damages := 0
			var mu sync.Mutex
			opt.Damaged = func(wal.Damage) { mu.Lock(); defer mu.Unlock(); damages++ }
			j = open(t, opt)
			empty(t, j)
			commit(t, j, single("web", "ada", n, "events"))
			empty(t, j)
			eventually(t, "released", func() bool { return j.log.Usage().Segments == 1 })
			mu.Lock()
			defer mu.Unlock()
			if damages == 0 {
				t.Errorf("no damage reported after %d flips", flips)
			}
			counted := map[string]int{}
			doubled := 0
			for _, id := range ids(b.records("events")[0]) {
				if counted[id]++; counted[id] > 1 {
					doubled++
				}
			}
			if lost := n + 1 - len(counted); lost > 3*flips {
				t.Errorf("%d records lost to %d flips", lost, flips)
			}
			if counted[fmt.Sprintf("ada-%d", n)] != 1 {
				t.Error("the record after it is not stored once")
			}
		})
	}
}

// TestTwoHolders: the directory belongs to one process.
func TestTwoHolders(t *testing.T) {
	b := newBroker(1, map[string]int32{"events": 1})
	fs := disktest.New()
	open(t, quick(fs, b.client()))
	if _, err := Open(quick(fs, b.client())); err == nil {
		t.Error("opened twice")
	}
}

func TestOptions(t *testing.T) {
	var o Options
	o.EnsureDefaults()
	if err := o.Validate(); err == nil || !strings.Contains(err.Error(), "dir:") || !strings.Contains(err.Error(), "forwarder:") {
		t.Errorf("empty options: %v", err)
	}
	good := Options{Dir: "x", Forwarder: new(null)}
	good.EnsureDefaults()
	if err := good.Validate(); err != nil {
		t.Errorf("defaults: %v", err)
	}
	f := func(want string, set func(*Options)) {
		t.Helper()
		bad := good
		set(&bad)
		if err := bad.Validate(); err == nil || !strings.HasPrefix(err.Error(), want+":") {
			t.Errorf("%s: %v", want, err)
		}
	}
	f("max bytes", func(o *Options) { o.MaxBytes = 1 << 20 })
	f("reserve bytes", func(o *Options) { o.ReserveBytes = -1 })
	f("high water", func(o *Options) { o.HighWater = 1.5 })
	f("high water", func(o *Options) { o.HighWater = math.NaN() })
	f("linger", func(o *Options) { o.Linger = -1 })
	f("max batch bytes", func(o *Options) { o.MaxBatchBytes = -1 })
	f("max batch records", func(o *Options) { o.MaxBatchRecords = -1 })
	f("window bytes", func(o *Options) { o.WindowBytes = 1 })
	f("deliver timeout", func(o *Options) { o.DeliverTimeout = -1 })
	f("bad topic", func(o *Options) { o.BadTopic = "no topic" })
}

// TestRefusals: what is wrong with a batch is said before anything is written.
func TestRefusals(t *testing.T) {
	b := newBroker(1, map[string]int32{"events": 1})
	j := open(t, quick(memory(), b.client()))
	f := func(batch *sinks.Batch, want sinks.Reason) {
		t.Helper()
		if err := j.Commit(context.Background(), batch); sinks.ReasonOf(err) != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	f(&sinks.Batch{Records: []sinks.Record{{Topic: "no topic"}}}, sinks.ReasonBadTopic)
	f(&sinks.Batch{Events: []sinks.Event{{Records: 2}}, Records: []sinks.Record{{Topic: "events"}}}, sinks.ReasonRefused)
	f(&sinks.Batch{Events: []sinks.Event{{Records: -1}}}, sinks.ReasonRefused)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := j.Commit(ctx, single("web", "ada", 1, "events")); sinks.ReasonOf(err) != sinks.ReasonCanceled {
		t.Errorf("%v, want canceled", err)
	}
	if err := j.Commit(context.Background(), &sinks.Batch{Events: make([]sinks.Event, 3)}); err != nil {
		t.Errorf("nothing to write: %v", err)
	}
	if used := j.records.Load(); used != 0 {
		t.Errorf("%d records wait", used)
	}
}
