package journal

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"assent/disk"
	"assent/disk/disktest"
	"assent/sinks"
)

// A world is a broker and what was sent to it through journals that come and go.
type world struct {
	t      *testing.T
	rng    *rand.Rand
	b      *broker
	topics []string

	mu    sync.Mutex
	next  map[string]int  // by key
	acked map[string]bool // ids
	ids   map[sinks.ID]bool
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{
		t: t, rng: rand.New(rand.NewPCG(seed, 1)), topics: []string{"events", "ads"},
		next: map[string]int{}, acked: map[string]bool{}, ids: map[sinks.ID]bool{},
	}
	w.b = newBroker(seed, map[string]int32{"events": 3, "ads": 2, "events.bad": 1})
	return w
}

// load commits from several senders until stop is closed. Each sender owns some
// keys and sends the next event of a key when the one before was answered.
func (w *world) load(j *Journal, stop chan struct{}) (wait func()) {
	var running sync.WaitGroup
	for s := range 4 {
		rng := rand.New(rand.NewPCG(w.rng.Uint64(), 2))
		running.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				w.send(j, rng, s)
			}
		})
	}
	return running.Wait
}

func (w *world) send(j *Journal, rng *rand.Rand, sender int) {
	b := &sinks.Batch{}
	var sent []string
	w.mu.Lock()
	for range 1 + rng.IntN(3) {
		key := fmt.Sprintf("k%d%c", sender, 'a'+rng.IntN(3))
		if rng.IntN(8) == 0 {
			key = ""
		}
		counter := key
		if key == "" {
			counter = fmt.Sprintf("null%d", sender)
		}
		n := w.next[counter]
		w.next[counter]++
		topics := w.topics[:1+rng.IntN(2)]
		one := single(fmt.Sprintf("s%d", sender), counter, n, topics...)
		for i := range one.Records {
			if key == "" {
				one.Records[i].Key = nil
			}
			sent = append(sent, one.Records[i].Topic+"/"+counter+"-"+fmt.Sprint(n))
		}
		b.Events = append(b.Events, one.Events...)
		b.Records = append(b.Records, one.Records...)
	}
	w.mu.Unlock()
	if j.Commit(context.Background(), b) != nil {
		time.Sleep(time.Millisecond)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range sent {
		w.acked[id] = true
	}
	for _, e := range b.Events {
		w.ids[e.ID] = true
	}
}

func (w *world) snapshot() map[string]bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	copied := make(map[string]bool, len(w.acked))
	for id := range w.acked {
		copied[id] = true
	}
	return copied
}

// mischief changes the weather downstream at random until stop is closed.
func (w *world) mischief(stop chan struct{}) (wait func()) {
	rng := rand.New(rand.NewPCG(w.rng.Uint64(), 3))
	var running sync.WaitGroup
	running.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Duration(rng.IntN(8)) * time.Millisecond):
			}
			w.b.with(func() { w.b.misbehave(rng) })
		}
	})
	return running.Wait
}

func (b *broker) misbehave(rng *rand.Rand) {
	lane := sinks.Lane{Topic: "events", Partition: rng.Int32N(3)}
	if rng.IntN(2) == 0 {
		lane = sinks.Lane{Topic: "ads", Partition: rng.Int32N(2)}
	}
	switch rng.IntN(12) {
	case 0:
		b.allDown = true
	case 1, 2:
		b.down[lane] = sinks.ReasonUnavailable
	case 3:
		b.noTopic[lane.Topic] = sinks.ReasonUnavailable
	case 4:
		b.lose = rng.Float64() / 2
	case 5:
		b.drop = rng.Float64() / 2
	case 6:
		b.forget()
	case 7:
		b.sendTime = time.Duration(rng.IntN(2000)) * time.Microsecond
	default:
		b.mend()
	}
}

func (b *broker) mend() {
	b.allDown, b.lose, b.drop, b.sendTime = false, 0, 0, 0
	clear(b.down)
	clear(b.noTopic)
}

// check compares what is stored with what was acknowledged.
func (w *world) check(acked map[string]bool) {
	w.t.Helper()
	stored := map[string]int{}
	for _, topic := range w.topics {
		for _, log := range w.b.records(topic) {
			last := map[string]int{}
			for _, id := range ids(log) {
				stored[topic+"/"+id]++
				key, n := id, 0
				i := strings.LastIndexByte(id, '-')
				fmt.Sscan(id[i+1:], &n)
				key = id[:i]
				if strings.HasPrefix(key, "null") {
					continue
				}
				if before, some := last[key]; some && n <= before {
					w.t.Errorf("%s: %s after %d", topic, id, before)
				}
				last[key] = n
			}
		}
	}
	if n := len(acked); n == 0 {
		w.t.Error("nothing was acknowledged")
	}
	for id := range acked {
		if stored[id] == 0 {
			w.t.Errorf("%s is lost", id)
		}
	}
	for id, n := range stored {
		if n > 1 {
			w.t.Errorf("%s is stored %d times", id, n)
		}
	}
	if w.b.violations > 0 {
		w.t.Errorf("%d violations of the forwarder's contract", w.b.violations)
	}
}

// TestPowerCuts: rounds of load, mischief and a power cut, and at the end, after
// the last one is drained, every acknowledged record is there once and in order.
func TestPowerCuts(t *testing.T) {
	rounds := 40
	if testing.Short() {
		rounds = 10
	}
	for seed := range uint64(rounds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, seed)
			fs := disktest.New()
			fs.SetSyncTime(0)
			for range 5 {
				fs = w.live(fs, time.Duration(w.rng.IntN(40))*time.Millisecond)
				if t.Failed() {
					return
				}
			}
			w.b.with(w.b.mend)
			j := open(t, quick(fs, w.b.client()))
			empty(t, j)
			w.check(w.snapshot())
			eventually(t, "released", func() bool { return j.log.Usage().Segments == 1 })
		})
	}
}

// live is a process's life until the power is cut.
func (w *world) live(fs *disktest.Mem, life time.Duration) *disktest.Mem {
	c := w.b.client()
	j, err := Open(quick(fs, c))
	if err != nil {
		w.t.Fatal(err)
	}
	stop := make(chan struct{})
	load, mischief := w.load(j, stop), w.mischief(stop)
	time.Sleep(life)
	c.kill()
	acked := w.snapshot()
	after := fs.Cut(w.rng)
	for name := range after.Files(".dirty") {
		base := strings.TrimSuffix(name, ".dirty")
		if len(after.Files(base+".clean"))+len(after.Files(base+".wal")) > 0 {
			after.Remove(name)
		}
	}
	close(stop)
	load()
	mischief()
	w.mu.Lock()
	w.acked = acked
	w.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := j.Close(ctx); err != nil {
		w.t.Error(err)
	}
	return after
}

// TestRestarts is TestPowerCuts over a real file system with orderly restarts.
func TestRestarts(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1000+seed)
			dir := t.TempDir()
			opt := func(c sinks.Forwarder) Options {
				o := quick(disk.OS{}, c)
				o.Dir = dir
				return o
			}
			for range 5 {
				j, err := Open(opt(w.b.client()))
				if err != nil {
					t.Fatal(err)
				}
				stop := make(chan struct{})
				load, mischief := w.load(j, stop), w.mischief(stop)
				time.Sleep(time.Duration(w.rng.IntN(60)) * time.Millisecond)
				close(stop)
				load()
				mischief()
				shut(t, j)
			}
			w.b.with(w.b.mend)
			j := open(t, opt(w.b.client()))
			empty(t, j)
			w.check(w.snapshot())
		})
	}
}
