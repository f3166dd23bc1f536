package journal

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"assent/sinks"
)

// watch remembers the most that the window ever held.
func watch(t *testing.T, j *Journal) (most func() int64) {
	var held int64
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
			}
			j.mu.Lock()
			held = max(held, j.window.used)
			j.mu.Unlock()
			time.Sleep(200 * time.Microsecond)
		}
	}()
	return func() int64 {
		close(stop)
		<-done
		return held
	}
}

// inOrder checks a topic: n records in all, each once, ascending for each key.
func inOrder(t *testing.T, b *broker, topic string, n int) {
	t.Helper()
	all := 0
	seen := map[string]bool{}
	for _, log := range b.records(topic) {
		last := map[string]int{}
		for _, id := range ids(log) {
			all++
			if seen[id] {
				t.Errorf("%s: %s twice", topic, id)
			}
			seen[id] = true
			i := strings.LastIndexByte(id, '-')
			var n int
			fmt.Sscan(id[i+1:], &n)
			if before, some := last[id[:i]]; some && n < before && i > 0 {
				t.Errorf("%s: %s after %d", topic, id, before)
			}
			last[id[:i]] = n
		}
	}
	if all != n {
		t.Errorf("%s: %d records, want %d", topic, all, n)
	}
	if b.violations > 0 {
		t.Errorf("%d violations of the forwarder's contract", b.violations)
	}
}

// TestLeft: one queue fails long enough to fill the window many times over. All
// others go on, memory stays flat, and when it comes right everything it missed
// follows in order.
func TestLeft(t *testing.T) {
	f := func(name string, down func(b *broker), others string, restart bool) {
		t.Run(name, func(t *testing.T) {
			b := newBroker(1, map[string]int32{"events": 2, "ads": 2})
			down(b)
			fs := memory()
			j := open(t, quick(fs, b.client()))
			most := watch(t, j)
			const n = 4000
			for i := range n / 10 {
				batch := &sinks.Batch{}
				for k := range 10 {
					topic := "events"
					if i%10 == 9 {
						topic = "ads"
					}
					key := fmt.Sprintf("k%d", k)
					if k == 9 {
						key = ""
					}
					one := single("web", key, i, topic)
					one.Records[0].Headers[0].Value = fmt.Appendf(nil, "%s-%d", key, i)
					batch.Events = append(batch.Events, one.Events...)
					batch.Records = append(batch.Records, one.Records...)
				}
				commit(t, j, batch)
			}
			switch others {
			case "ads":
				eventually(t, "all of the other topic is stored", func() bool { return len(b.values(t, "ads")) == n/10 })
			case "queue":
				healthy := 0
				for k := range 9 {
					l, _ := b.client().Partition("events", fmt.Appendf(nil, "k%d", k))
					if l.Number != 0 {
						healthy++
					}
				}
				eventually(t, "all of the other queue is stored", func() bool {
					return len(b.values(t, "events")) >= healthy*n*9/100
				})
				// Those that were in its queue when it failed wait with it.
				eventually(t, "and nearly all records without a key", func() bool {
					return b.count() >= healthy*n*9/100+n/10+300
				})
			}
			if held := most(); held > 64<<10+maxChunk+4<<10 {
				t.Errorf("%d bytes held", held)
			}
			if restart {
				shut(t, j)
				j = open(t, quick(fs, b.client()))
			}
			b.with(b.repair)
			empty(t, j)
			inOrder(t, b, "events", n*9/10)
			inOrder(t, b, "ads", n/10)
			j.mu.Lock()
			defer j.mu.Unlock()
			for _, q := range j.queues {
				if q.state != following {
					t.Errorf("%v does not follow", q.partition)
				}
			}
		})
	}
	one := func(b *broker) { b.down[sinks.Partition{Topic: "events"}] = sinks.ReasonUnavailable }
	f("a partition", one, "queue", false)
	f("a partition, restart", one, "queue", true)
	f("a topic not authorized", func(b *broker) {
		b.down[sinks.Partition{Topic: "events"}] = sinks.ReasonUnauthorized
		b.down[sinks.Partition{Topic: "events", Number: 1}] = sinks.ReasonUnauthorized
	}, "ads", false)
	f("a topic without partitions", func(b *broker) { b.noTopic["events"] = sinks.ReasonNoTopic }, "ads", false)
	f("a topic without partitions, restart", func(b *broker) { b.noTopic["events"] = sinks.ReasonNoTopic }, "ads", true)
	f("everything", func(b *broker) { b.allDown = true }, "", false)
	f("everything, at first", func(b *broker) {
		b.noTopic["events"], b.noTopic["ads"] = sinks.ReasonUnavailable, sinks.ReasonUnavailable
	}, "", false)
}

// TestManyLeft: so many queues fail that what they have in flight alone would fill the
// window.
func TestManyLeft(t *testing.T) {
	b := newBroker(1, map[string]int32{"events": 60, "ads": 1})
	for p := range int32(60) {
		b.down[sinks.Partition{Topic: "events", Number: p}] = sinks.ReasonUnavailable
	}
	opt := quick(memory(), b.client())
	opt.MaxBytes, opt.WindowBytes, opt.MaxBatchBytes, opt.Linger = 16<<20, 1<<20, 1<<20, 200*time.Millisecond
	j := open(t, opt)
	most := watch(t, j)
	const n = 8000
	for i := 0; i < n; i += 20 {
		batch := &sinks.Batch{}
		for k := i; k < i+20; k++ {
			one := single("web", fmt.Sprintf("k%d", k%200), k, "events", "ads")
			one.Records[0].Value = make([]byte, 300)
			batch.Events, batch.Records = append(batch.Events, one.Events...), append(batch.Records, one.Records...)
		}
		commit(t, j, batch)
	}
	eventually(t, "all of the other topic is stored", func() bool { return len(b.values(t, "ads")) == n })
	if held := most(); held > 1<<20+maxChunk {
		t.Errorf("%d bytes held", held)
	}
	j.mu.Lock()
	inFlight := 0
	for _, q := range j.queues {
		inFlight += q.inFlight
	}
	j.mu.Unlock()
	if inFlight*300 > 1<<19 {
		t.Errorf("queues that fail have %d records in flight, which is more than half the window", inFlight)
	}
	b.with(b.repair)
	empty(t, j)
	inOrder(t, b, "events", n)
}

// TestPartitionsAdded: a queue is left, and when it comes right its keys belong to
// others. Nothing is lost and nothing comes twice.
func TestPartitionsAdded(t *testing.T) {
	b := newBroker(1, map[string]int32{"events": 2, "ads": 1})
	b.down[sinks.Partition{Topic: "events"}] = sinks.ReasonUnavailable
	j := open(t, quick(memory(), b.client()))
	for i := range 3000 {
		commit(t, j, single("web", fmt.Sprintf("k%d", i%13), i, "events"))
		if i == 1500 {
			b.with(func() { b.counts["events"] = 5 })
		}
		if i == 2000 {
			b.with(func() { b.down[sinks.Partition{Topic: "events", Number: 3}] = sinks.ReasonUnavailable })
		}
	}
	time.Sleep(20 * time.Millisecond)
	b.with(b.repair)
	empty(t, j)
	if n := b.count(); n != 3000 {
		t.Errorf("%d records stored, want 3000", n)
	}
}

// TestPartitionsRemoved: a topic is made again with fewer partitions. What waits
// for those that are gone goes to the others, once and in order, in this process
// or the next, and nothing overtakes it.
func TestPartitionsRemoved(t *testing.T) {
	f := func(name string, reserved, restart bool) {
		t.Run(name, func(t *testing.T) {
			b := newBroker(1, map[string]int32{"events": 4})
			if b.allDown = true; reserved {
				b.allDown, b.drop = false, 1
			}
			fs := memory()
			j := open(t, quick(fs, b.client()))
			n := 0
			more := func() {
				for range 500 {
					commit(t, j, single("web", []string{"", fmt.Sprintf("k%d", n%13)}[n%2], n, "events"))
					n++
				}
			}
			more()
			eventually(t, "all queues fail", func() bool {
				j.mu.Lock()
				defer j.mu.Unlock()
				for _, q := range j.queues {
					if q.failing.IsZero() {
						return false
					}
				}
				return len(j.queues) == 4
			})
			b.with(func() { // the forwarder is in doubt: nobody is given a partition, what is there goes on
				b.allDown, b.drop = false, 0
				b.noTopic["events"] = sinks.ReasonUnavailable
				b.down[sinks.Partition{Topic: "events", Number: 2}] = sinks.ReasonUnavailable
				b.down[sinks.Partition{Topic: "events", Number: 3}] = sinks.ReasonUnavailable
			})
			more()
			if restart {
				shut(t, j)
			}
			b.with(func() { b.counts["events"] = 2; clear(b.down) })
			if restart {
				j = open(t, quick(fs, b.client()))
			}
			more()
			eventually(t, "the queues that are gone are empty", func() bool {
				j.mu.Lock()
				defer j.mu.Unlock()
				for _, q := range j.queues {
					if q.partition.Number >= 2 && (q.inFlight > 0 || q.queuedLocked() > 0 || q.state != following) {
						return false
					}
				}
				return j.caughtUp // all queues are known
			})
			b.with(b.repair)
			empty(t, j)
			inOrder(t, b, "events", n)
			if doubled := j.m.doubled.Get(); (doubled > 0) != reserved {
				t.Errorf("%d counted as possibly doubled; batches were sent before: %t", doubled, reserved)
			}
			for l, p := range b.partitions {
				if l.Number >= 2 && len(p.log) > 0 {
					t.Errorf("%d records in %v", len(p.log), l)
				}
			}
			eventually(t, "released", func() bool { return j.log.Usage().Segments == 1 })
		})
	}
	f("never sent", false, false)
	f("never sent, restart", false, true)
	f("sent before", true, false)
	f("sent before, restart", true, true)
}

// TestRerouteAhead: a queue gives up an uncertain reservation before the main scan has come
// to its records, which then takes them for new.
func TestRerouteAhead(t *testing.T) {
	b := newBroker(1, map[string]int32{"events": 1})
	j := open(t, quick(memory(), b.client()))
	eventually(t, "recovered", j.recovered.Load)
	r := record("events", "ada", 1)
	j.mu.Lock()
	q, _ := j.queueLocked(j.topicOfLocked([]byte("events")), 3) // not at work
	seg := j.segments.get(1)
	it := q.holdLocked(item{seg: seg, src: j.sources.of("web"), idx: 5, body: sinks.AppendBody(nil, &r)})
	seg.taken.set(it.idx, it.rec)
	seg.waiting++
	w := &worker{j: j, queue: q, inFlight: []item{it}}
	q.inFlight = 1
	j.mu.Unlock()
	w.reroute()
	j.mu.Lock()
	defer j.mu.Unlock()
	if seg.waiting != 0 || seg.taken.has(5, 0) || q.state != following || q.inFlight != 0 || j.window.used != 0 {
		t.Errorf("%d waiting, taken: %t, state %d, %d in flight, %d bytes held; want none", seg.waiting, seg.taken.has(5, 0), q.state, q.inFlight, j.window.used)
	}
	// While the others fail it must not attract what could go anywhere.
	other := j.startedLocked(q.topic, 0)
	other.failing = time.Now()
	if got, err := j.resolveLocked(q.topic, nil); got != other || err != nil {
		t.Errorf("a record without a key goes to partition %d, error %v", got.partition.Number, err)
	}
}

// TestFlicker: a topic that loses its partitions for a moment, while the back scan is
// at work, keeps its order: what comes after parked records joins them, what
// comes before passes them by, and what belongs between them makes all be read
// again.
func TestFlicker(t *testing.T) {
	f := func(name string, script string, want string) {
		t.Run(name, func(t *testing.T) {
			b := newBroker(1, map[string]int32{"events": 1})
			b.allDown = true
			j := open(t, quick(memory(), b.client()))
			eventually(t, "recovered", j.recovered.Load)
			j.mu.Lock()
			defer j.mu.Unlock()
			events := j.topicOfLocked([]byte("events"))
			q := j.startedLocked(events, 0)
			q.state = returning
			for _, step := range strings.Fields(script) {
				switch kind, at, _ := strings.Cut(step, ":"); kind {
				case "gone":
					b.with(func() { b.noTopic["events"] = sinks.ReasonUnavailable })
				case "there":
					b.with(func() { clear(b.noTopic) })
				default:
					var idx uint32
					fmt.Sscan(at, &idx)
					r := record("events", "ada", 1)
					if kind == "keyless" {
						r.Key = nil
					}
					j.dispatchLocked(events, &item{seg: j.segments.get(1), src: j.sources.of("web"), idx: idx, body: sinks.AppendBody(nil, &r)}, kind == "main")
				}
			}
			var out []string
			for _, q := range []*queue{q, events.parked} {
				at := []string{}
				for i := q.head; i < len(q.items); i++ {
					at = append(at, fmt.Sprint(q.items[i].idx))
				}
				out = append(out, strings.Join(at, ",")+" "+[]string{"following", "left", "returning"}[q.state])
			}
			if got := strings.Join(out, "; "); got != want {
				t.Errorf("queue and parked queue: %s, want %s", got, want)
			}
		})
	}
	f("later records join", "back:10 gone back:20 there back:30", "10 returning; 20,30 following")
	f("main's too", "gone back:10 there main:90", " returning; 10,90 following")
	f("earlier ones pass by", "gone main:90 there back:10", "10 returning; 90 following")
	f("one between", "gone back:10 main:90 there back:20", " returning;  left")
	f("one between, behind one without a key", "gone main:90 keyless:10 back:20", " returning;  left")
	f("an earlier one that has no partition", "gone main:90 back:10 there back:20", " returning;  left")
}

// TestPoison: records that the log refuses for good become bad rows, one each,
// and everything else goes on in order.
func TestPoison(t *testing.T) {
	f := func(name string, setup func(*broker), poison func(i int) bool, want string) {
		t.Run(name, func(t *testing.T) {
			b := newBroker(1, map[string]int32{"events": 1, "events.bad": 1})
			setup(b)
			b.allDown = true
			j := open(t, quick(memory(), b.client()))
			bad, size := 0, 0
			for i := range 500 {
				batch := single("web", "ada", i, "events")
				if poison(i) {
					bad++
					batch.Records[0].Value = []byte(`{"poison":"` + strings.Repeat("p", 3000) + `"}`)
					size = len(sinks.AppendBody(nil, &batch.Records[0]))
				}
				commit(t, j, batch)
			}
			b.with(b.repair)
			empty(t, j)
			inOrder(t, b, "events", 500-bad)
			rows := b.values(t, "events.bad")
			if len(rows) != bad || j.m.poison.Get() != uint64(bad) {
				t.Fatalf("%d bad rows, %d counted, want %d", len(rows), j.m.poison.Get(), bad)
			}
			for _, r := range rows {
				var row struct {
					Stage, Reason, Source, ReceivedAt string
					Size                              int
				}
				if err := json.Unmarshal(r.Value, &row); err != nil {
					t.Fatalf("%s: %v", r.Value, err)
				}
				if row.Stage != "forward" || row.Reason != want || row.Source != "web" || row.Size < size-20 || row.ReceivedAt == "" {
					t.Errorf("%s", r.Value)
				}
				if strings.Contains(string(r.Value), "pp") || r.Key != nil {
					t.Errorf("a bad row with a payload")
				}
			}
			// Halving finds one of a batch in twice the logarithm of its records.
			limit := 60 + 30*bad
			if want == "" {
				limit = 500 * 100 / 2500 * 3 // once found, the size that passes is kept
			}
			if b.sends > limit {
				t.Errorf("%d sends for %d bad records, want at most %d", b.sends, bad, limit)
			}
		})
	}
	refuse := func(b *broker) { b.poison = "poison" }
	tooLarge := func(b *broker) { b.maxRequest = 2500 }
	f("refused, in the middle", refuse, func(i int) bool { return i == 250 }, "refused")
	f("refused, at the ends", refuse, func(i int) bool { return i == 0 || i == 499 }, "refused")
	f("refused, neighbours", refuse, func(i int) bool { return i >= 100 && i < 104 }, "refused")
	f("refused, many", refuse, func(i int) bool { return i%50 == 7 }, "refused")
	f("too large", tooLarge, func(i int) bool { return i%100 == 7 }, "too_large")
	f("the batches alone are too large", tooLarge, func(int) bool { return false }, "")
}

// TestPoisonFlood: bad rows that cannot be delivered take no more than their part
// of the journal, whoever writes them.
func TestPoisonFlood(t *testing.T) {
	b := newBroker(1, map[string]int32{"events": 1, "events.bad": 1})
	b.poison = "filler"
	b.down[sinks.Partition{Topic: "events.bad"}] = sinks.ReasonUnavailable
	opt := quick(memory(), b.client())
	opt.MaxBytes = 1 << 20
	j := open(t, opt)
	for i := range 1000 {
		commit(t, j, single("web", "ada", i, "events"))
		batch := &sinks.Batch{Records: []sinks.Record{record("events.bad", "", i)}}
		commit(t, j, batch)
	}
	eventually(t, "all events are refused", func() bool { return j.m.poison.Get() == 1000 })
	if n := j.bad.Load(); n > j.room/badShare+1024 {
		t.Errorf("%d bytes of bad rows wait in a journal of %d", n, opt.MaxBytes)
	}
	if j.m.dropped.Get() == 0 {
		t.Error("none is counted as dropped")
	}
	if err := j.Admit("web"); err != nil {
		t.Errorf("events are shut out: %v", err)
	}
	b.with(b.repair)
	empty(t, j)
	if rows := len(b.values(t, "events.bad")); uint64(rows)+j.m.dropped.Get() != 2000 {
		t.Errorf("%d bad rows stored and %d dropped, of 2000", rows, j.m.dropped.Get())
	}
}

// TestPoisonedBadRow: a bad row that is refused leaves nothing behind.
func TestPoisonedBadRow(t *testing.T) {
	b := newBroker(1, map[string]int32{"events.bad": 1})
	b.poison = "filler"
	j := open(t, quick(memory(), b.client()))
	commit(t, j, &sinks.Batch{Records: []sinks.Record{record("events.bad", "", 1)}})
	empty(t, j)
	if n := b.count(); n != 0 || j.m.poison.Get() != 1 {
		t.Errorf("%d records stored, %d counted", n, j.m.poison.Get())
	}
}

// TestLostPlans: a broker that has forgotten its producers is asked what it has.
func TestLostPlans(t *testing.T) {
	f := func(name string, stored, doubtful bool, records, repeated, doubled int) {
		t.Run(name, func(t *testing.T) {
			b := newBroker(1, map[string]int32{"events": 1})
			b.lose, b.doubtful = 1, doubtful
			if !stored {
				b.lose, b.drop = 0, 1
			}
			fs := memory()
			j := open(t, quick(fs, b.client()))
			commit(t, j, single("web", "ada", 1, "events"))
			eventually(t, "an attempt", func() bool { b.mu.Lock(); defer b.mu.Unlock(); return b.sends > 0 })
			shut(t, j)
			b.with(func() { b.repair(); b.forget() })
			j = open(t, quick(fs, b.client()))
			empty(t, j)
			if b.count() != records || j.m.repeated.Get() != uint64(repeated) || j.m.doubled.Get() != uint64(doubled) {
				t.Errorf("%d stored, %d repeats avoided, %d possibly doubled; want %d, %d, %d",
					b.count(), j.m.repeated.Get(), j.m.doubled.Get(), records, repeated, doubled)
			}
		})
	}
	f("found", true, false, 1, 1, 0)
	f("not found", false, false, 1, 0, 0)
	f("doubtful, and stored", true, true, 2, 0, 1)
	f("doubtful, and not stored", false, true, 1, 0, 1)
}

// TestManyRecords: an event with more records than an entry holds.
func TestManyRecords(t *testing.T) {
	b := newBroker(1, map[string]int32{"events": 1})
	b.allDown = true
	fs := memory()
	j := open(t, quick(fs, b.client()))
	batch := &sinks.Batch{Events: []sinks.Event{{Records: 3*maxRecords + 1, ID: eventID("ada", 1), Provenance: sinks.Provenance{Source: "web"}}}}
	for i := range 3*maxRecords + 1 {
		batch.Records = append(batch.Records, record("events", "ada", i))
	}
	commit(t, j, batch)
	shut(t, j)
	b.with(b.repair)
	var recovered []sinks.ID
	opt := quick(fs, b.client())
	opt.Recovered = func(id sinks.ID) { recovered = append(recovered, id) }
	j = open(t, opt)
	empty(t, j)
	inOrder(t, b, "events", 3*maxRecords+1)
	if !slices.Equal(recovered, []sinks.ID{eventID("ada", 1)}) {
		t.Errorf("recovered ids %x", recovered)
	}
}

// TestBatchShape: batches end where their limits are, and nobody lingers for whom
// a sender waits.
func TestBatchShape(t *testing.T) {
	b := newBroker(1, map[string]int32{"events": 1})
	b.allDown = true
	opt := quick(memory(), b.client())
	opt.MaxBatchRecords, opt.Linger = 10, time.Millisecond
	j := open(t, opt)
	for i := range 95 {
		commit(t, j, single("web", "ada", i, "events"))
	}
	eventually(t, "all is read", func() bool { j.mu.Lock(); defer j.mu.Unlock(); return j.caughtUp })
	b.with(func() { b.repair(); b.sends = 0 })
	empty(t, j)
	if b.sends < 10 || b.sends > 11 {
		t.Errorf("%d sends, want 10 of up to 10 records", b.sends)
	}
	opt = quick(memory(), b.client())
	opt.Linger = time.Hour
	j = open(t, opt)
	batch := single("web", "ada", 100, "events")
	batch.Promise = sinks.Delivered
	if err := j.Commit(context.Background(), batch); err != nil {
		t.Error(err)
	}
}
