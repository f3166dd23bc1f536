package journal

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"assent/disk/disktest"
	"assent/sinks"
)

// A registry is a Judge that a test can change.
type registry struct {
	mu       sync.Mutex
	snapshot uint64
	verdict  map[string]sinks.Verdict // by subject; others are kept
	err      error
	asked    int
	seen     sinks.Provenance
}

func (r *registry) Unchanged(snapshot uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return snapshot == r.snapshot
}

func (r *registry) Rejudge(p *sinks.Provenance, rec *sinks.Record) (sinks.Verdict, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	r.seen = *p
	if r.err != nil {
		return sinks.Withheld, r.err
	}
	v, some := r.verdict[string(p.Subject)]
	if !some {
		return sinks.Kept, nil
	}
	if v == sinks.Reduced {
		rec.Value = []byte(`{"reduced":true}`)
	}
	return v, nil
}

// choose records a choice of a subject.
func (r *registry) choose(subject string, v sinks.Verdict) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.snapshot++
	r.verdict[subject] = v
}

func newRegistry() *registry { return &registry{verdict: map[string]sinks.Verdict{}} }

// personal is the n-th event of a person, who is its key and subject.
func personal(r *registry, person string, n int) *sinks.Batch {
	b := single("web", person, n, "events")
	r.mu.Lock()
	defer r.mu.Unlock()
	b.Events[0].Provenance = sinks.Provenance{
		Subject: []byte(person), Snapshot: r.snapshot, Source: "web", Place: "FR", At: 1_800_000_000_000 + int64(n),
		Policy: "hash", Purposes: 3, Allowed: 5, Shared: 7,
	}
	return b
}

// values returns what is stored of a topic with one partition.
func (b *broker) values(t testing.TB, topic string) (all []sinks.Record) {
	t.Helper()
	for _, log := range b.records(topic) {
		for _, body := range log {
			var r sinks.Record
			if err := sinks.ParseBody([]byte(body), &r); err != nil {
				t.Fatal(err)
			}
			all = append(all, r)
		}
	}
	return all
}

func one(t *testing.T, b *broker) sinks.Record {
	t.Helper()
	all := b.values(t, "events")
	if len(all) != 1 {
		t.Fatalf("%d records stored, want 1", len(all))
	}
	return all[0]
}

func memory() *disktest.Mem {
	fs := disktest.New()
	fs.SetSyncTime(0)
	return fs
}

// TestUnchanged: as long as the snapshot is unchanged nobody is judged again; once it has
// changed, everybody is, by what was journaled.
func TestUnchanged(t *testing.T) {
	b, r := newBroker(1, map[string]int32{"events": 1}), newRegistry()
	b.allDown = true
	opt := quick(memory(), b.client())
	opt.Judge = r
	j := open(t, opt)
	commit(t, j, personal(r, "ada", 1))
	b.with(b.repair)
	idle(t, j)
	if r.asked != 0 {
		t.Errorf("asked %d times though nothing has changed", r.asked)
	}
	b.with(func() { b.allDown = true })
	commit(t, j, personal(r, "ada", 2))
	r.choose("bob", sinks.Withheld)
	b.with(b.repair)
	idle(t, j)
	if r.asked == 0 {
		t.Fatal("not asked though something has changed")
	}
	want := sinks.Provenance{Source: "web", Place: "FR", At: 1_800_000_000_002, Policy: "hash", Purposes: 3, Allowed: 5, Shared: 7}
	got := r.seen
	got.Subject = nil
	if string(r.seen.Subject) != "ada" || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("judged by %+v, want %+v", r.seen, want)
	}
}

// TestWithdrawal is about a choice made while a record waits.
func TestWithdrawal(t *testing.T) {
	type outcome struct {
		verdict  sinks.Verdict
		reserved bool // the reservation was durable by then, and an attempt may have been stored
		restart  bool // and the process has died since
		stored   string
		withheld uint64
		reduced  uint64
		nulled   uint64
	}
	kept := string(record("events", "ada", 1).Value)
	f := func(name string, c outcome) {
		t.Run(name, func(t *testing.T) {
			b, r := newBroker(1, map[string]int32{"events": 1}), newRegistry()
			b.allDown = true
			fs := memory()
			opt := quick(fs, b.client())
			opt.Judge = r
			j := open(t, opt)
			if c.reserved {
				// A first record, so that the broker knows the producer.
				b.with(b.repair)
				commit(t, j, personal(r, "eve", 0))
				idle(t, j)
				b.with(func() { b.drop = 1 })
			}
			sends := b.sends
			commit(t, j, personal(r, "ada", 1))
			if c.reserved {
				eventually(t, "an attempt", func() bool { b.mu.Lock(); defer b.mu.Unlock(); return b.sends > sends })
			}
			if c.restart {
				shut(t, j)
			}
			r.choose("ada", c.verdict)
			b.with(b.repair)
			if c.restart {
				r.mu.Lock()
				r.snapshot = 0 // snapshots mean nothing to another process, so this one must not hold
				r.mu.Unlock()
				opt.Forwarder = b.client()
				j = open(t, opt)
			}
			empty(t, j)
			got := "nothing"
			all := b.values(t, "events")
			if c.reserved {
				all = all[1:]
			}
			if len(all) > 0 {
				rec := all[0]
				got = string(rec.Value)
				if rec.Value == nil {
					got = "null"
					if rec.Key != nil || len(rec.Headers) != 1 || rec.Headers[0].Key != "privacy-withheld" || string(rec.Headers[0].Value) != "1" {
						t.Errorf("a null value with key %q and headers %v", rec.Key, rec.Headers)
					}
				}
			}
			if got != c.stored {
				t.Errorf("stored: %s, want %s", got, c.stored)
			}
			m := j.m
			if m.withheld.Get() != c.withheld || m.reduced.Get() != c.reduced || m.nulled.Get() != c.nulled {
				t.Errorf("counted withheld %d, reduced %d, nulled %d", m.withheld.Get(), m.reduced.Get(), m.nulled.Get())
			}
		})
	}
	reduced := `{"reduced":true}`
	f("withheld before the reservation", outcome{verdict: sinks.Withheld, stored: "nothing", withheld: 1})
	f("withheld after the reservation", outcome{verdict: sinks.Withheld, reserved: true, stored: "null", nulled: 1})
	f("withheld before the reservation, restart", outcome{verdict: sinks.Withheld, restart: true, stored: "nothing", withheld: 1})
	f("withheld after the reservation, restart", outcome{verdict: sinks.Withheld, reserved: true, restart: true, stored: "null", nulled: 1})
	f("reduced before the reservation", outcome{verdict: sinks.Reduced, stored: reduced, reduced: 1})
	f("reduced after the reservation", outcome{verdict: sinks.Reduced, reserved: true, stored: reduced, reduced: 1})
	f("reduced after the reservation, restart", outcome{verdict: sinks.Reduced, reserved: true, restart: true, stored: reduced, reduced: 1})
	f("kept, restart", outcome{verdict: sinks.Kept, reserved: true, restart: true, stored: kept})
	f("an unknown verdict", outcome{verdict: 77, stored: "nothing", withheld: 1})
}

// TestStoredBeforeWithdrawal: what was stored by an attempt whose answer was lost
// is not stored again, as null or otherwise.
func TestStoredBeforeWithdrawal(t *testing.T) {
	b, r := newBroker(1, map[string]int32{"events": 1}), newRegistry()
	b.lose = 1
	opt := quick(memory(), b.client())
	opt.Judge = r
	j := open(t, opt)
	commit(t, j, personal(r, "ada", 1))
	eventually(t, "it is stored", func() bool { return b.count() == 1 })
	r.choose("ada", sinks.Withheld)
	b.with(b.repair)
	empty(t, j)
	if one(t, b).Value == nil {
		t.Error("null")
	}
	if j.m.repeated.Get() != 1 {
		t.Errorf("%d repeats avoided, want 1", j.m.repeated.Get())
	}
}

// TestJudgeFails: a record about which nothing can be said waits, and so does its
// queue, in order; other queues go on.
func TestJudgeFails(t *testing.T) {
	b, r := newBroker(1, map[string]int32{"events": 1, "ads": 1}), newRegistry()
	opt := quick(memory(), b.client())
	opt.Judge = r
	j := open(t, opt)
	r.mu.Lock()
	r.err = errors.New("no store")
	r.mu.Unlock()
	first := personal(r, "ada", 1)
	first.Events[0].Provenance.Snapshot = 99
	commit(t, j, first)
	commit(t, j, personal(r, "bob", 2))
	commit(t, j, single("web", "cyd", 3, "ads"))
	eventually(t, "the other topic's record is stored", func() bool { return len(b.values(t, "ads")) == 1 })
	time.Sleep(5 * time.Millisecond)
	if n := len(b.values(t, "events")); n != 0 {
		t.Fatalf("%d records went out unjudged", n)
	}
	r.mu.Lock()
	r.err = nil
	r.mu.Unlock()
	empty(t, j)
	all := b.values(t, "events")
	if len(all) != 2 || string(all[0].Key) != "ada" {
		t.Errorf("%d records, the first of %s", len(all), all[0].Key)
	}
}

// TestNarrowed: within one batch each record meets its own fate, and order holds.
func TestNarrowed(t *testing.T) {
	b, r := newBroker(1, map[string]int32{"events": 1}), newRegistry()
	b.allDown = true
	opt := quick(memory(), b.client())
	opt.Judge = r
	opt.Linger = time.Hour
	opt.MaxBatchRecords = 4
	j := open(t, opt)
	for i, who := range []string{"ada", "bob", "cyd", "dan", "eve", "fay", "gus", "hal"} {
		commit(t, j, personal(r, who, i))
	}
	r.choose("bob", sinks.Withheld)
	r.choose("cyd", sinks.Reduced)
	r.choose("hal", sinks.Withheld)
	b.with(b.repair)
	idle(t, j)
	var got []string
	for _, rec := range b.values(t, "events") {
		got = append(got, string(rec.Key))
		if strings.Contains(string(rec.Value), "reduced") != (string(rec.Key) == "cyd") {
			t.Errorf("%s: %s", rec.Key, rec.Value)
		}
	}
	if s := strings.Join(got, " "); s != "ada cyd dan eve fay gus" {
		t.Errorf("stored %s", s)
	}
}

// TestDelivered: the promise is kept when all records are settled downstream, or
// refused in time with nothing lost.
func TestDelivered(t *testing.T) {
	b, r := newBroker(1, map[string]int32{"events": 2, "ads": 1}), newRegistry()
	opt := quick(memory(), b.client())
	opt.Judge, opt.DeliverTimeout, opt.Linger = r, 50*time.Millisecond, 10*time.Second
	j := open(t, opt)
	send := func(n int) error {
		batch := single("web", "ada", n, "events", "ads")
		batch.Promise = sinks.Delivered
		return j.Commit(context.Background(), batch)
	}
	if err := send(1); err != nil {
		t.Fatal(err)
	}
	if n := b.count(); n != 2 {
		t.Fatalf("%d records stored when it was answered, want 2", n)
	}
	b.with(func() { b.down[sinks.Partition{Topic: "ads"}] = sinks.ReasonUnavailable })
	if err := send(2); sinks.ReasonOf(err) != sinks.ReasonTimeout || sinks.ClassOf(err) != sinks.Retriable {
		t.Fatalf("one recipient is down: %v", err)
	}
	withheld := personal(r, "bob", 3)
	withheld.Promise = sinks.Delivered
	withheld.Events[0].Provenance.Snapshot = 99
	r.choose("bob", sinks.Withheld)
	if err := j.Commit(context.Background(), withheld); err != nil {
		t.Errorf("a withheld record: %v", err)
	}
	b.with(b.repair)
	idle(t, j)
	if n := b.count(); n != 4 {
		t.Errorf("%d records stored in the end, want 4", n)
	}
	b.with(func() { b.allDown = true })
	j.opt.DeliverTimeout = time.Hour
	answer := make(chan error)
	go func() { answer <- send(4) }()
	eventually(t, "it waits", func() bool { return j.records.Load() == 2 })
	shut(t, j)
	if err := <-answer; sinks.ReasonOf(err) != sinks.ReasonClosed {
		t.Errorf("closed meanwhile: %v", err)
	}
}
