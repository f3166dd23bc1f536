package journal

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"assent/disk"
	"assent/disk/disktest"
	"assent/sinks"
)

// quick are options for which a test need not wait.
func quick(fs disk.FS, fwd sinks.Forwarder) Options {
	return Options{
		Dir: "journal", FS: fs, Forwarder: fwd, MaxBytes: 4 << 20, ReserveBytes: 1,
		Linger: 200 * time.Microsecond, MaxBatchBytes: 4 << 10, WindowBytes: 64 << 10,
		segmentBytes: 32 << 10, minBackoff: time.Millisecond, maxBackoff: 5 * time.Millisecond,
		detachAfter: 10 * time.Millisecond, keepEvery: 10 * time.Millisecond,
	}
}

func open(t testing.TB, opt Options) *Journal {
	t.Helper()
	j, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, j) })
	return j
}

func shut(t testing.TB, j *Journal) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := j.Close(ctx); err != nil {
		t.Error(err)
	}
}

// record is the n-th of a key for a topic. Its id is key-n.
func record(topic, key string, n int) sinks.Record {
	id := key + "-" + strconv.Itoa(n)
	r := sinks.Record{
		Topic: topic, Value: fmt.Appendf(nil, `{"n":%d,"filler":%q}`, n, strings.Repeat("x", n%50)),
		Headers: []sinks.Header{{Key: "ce_id", Value: []byte(id)}},
	}
	if key != "" {
		r.Key = []byte(key)
	}
	return r
}

// single is a batch of one event of a source with one record per topic.
func single(source, key string, n int, topics ...string) *sinks.Batch {
	b := &sinks.Batch{Events: []sinks.Event{{Records: len(topics), ID: eventID(key, n), Provenance: sinks.Provenance{Source: source}}}}
	for _, topic := range topics {
		b.Records = append(b.Records, record(topic, key, n))
	}
	return b
}

func eventID(key string, n int) (id sinks.ID) {
	copy(id[:], fmt.Sprintf("%s-%d", key, n))
	return id
}

func commit(t testing.TB, j *Journal, b *sinks.Batch) {
	t.Helper()
	if err := j.Commit(context.Background(), b); err != nil {
		t.Fatal(err)
	}
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !f(); {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// idle waits until nothing waits.
func idle(t testing.TB, j *Journal) {
	t.Helper()
	eventually(t, "nothing waits", func() bool { return j.records.Load() == 0 })
}

// empty waits until nothing is left to do, and looks whether the accounts agree.
func empty(t testing.TB, j *Journal) {
	t.Helper()
	eventually(t, "all is settled", func() bool {
		j.mu.Lock()
		defer j.mu.Unlock()
		if !j.caughtUp {
			return false
		}
		for _, s := range j.segments.list {
			if s.waiting != 0 {
				return false
			}
		}
		return true
	})
	eventually(t, "the accounts agree", func() bool {
		for _, s := range j.sources.all() {
			if s.bytes.Load() != 0 {
				return false
			}
		}
		j.mu.Lock()
		defer j.mu.Unlock()
		return j.records.Load() == 0 && j.bad.Load() == 0 && j.window.used == 0
	})
}

func ids(bodies []string) (all []string) {
	for _, b := range bodies {
		all = append(all, string(sinks.BodyHeader([]byte(b), "ce_id")))
	}
	return all
}

func TestForwards(t *testing.T) {
	b := newBroker(1, map[string]int32{"events": 3, "ads": 1})
	fs := disktest.New()
	fs.SetSyncTime(0)
	j := open(t, quick(fs, b.client()))
	const n = 2000
	for i := range n {
		commit(t, j, single("web", fmt.Sprintf("k%d", i%7), i, "events", "ads"))
	}
	idle(t, j)
	if got := b.count(); got != 2*n {
		t.Errorf("%d records stored, want %d", got, 2*n)
	}
	if b.violations > 0 {
		t.Errorf("%d violations", b.violations)
	}
}
