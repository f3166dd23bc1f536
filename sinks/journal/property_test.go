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
	stuck  string // a topic of few records that get nowhere; "": none

	mu       sync.Mutex
	next     map[string]int  // by key
	acked    map[string]bool // ids
	poisoned map[string]bool // ids, whether acknowledged or not
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{
		t: t, rng: rand.New(rand.NewPCG(seed, 1)), topics: []string{"events", "ads"},
		next: map[string]int{}, acked: map[string]bool{},
		poisoned: map[string]bool{},
	}
	w.b = newBroker(seed, map[string]int32{"events": 3, "ads": 2, "events.bad": 1})
	w.b.poison = "poison"
	w.b.partition(sinks.Partition{Topic: "events.bad"})
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
		if w.stuck != "" && rng.IntN(300) == 0 {
			topics = append(topics[:len(topics):len(topics)], w.stuck)
		}
		one := single(fmt.Sprintf("s%d", sender), counter, n, topics...)
		for i := range one.Records {
			if key == "" {
				one.Records[i].Key = nil
			}
			id := one.Records[i].Topic + "/" + counter + "-" + fmt.Sprint(n)
			sent = append(sent, id)
			if rng.IntN(60) == 0 {
				one.Records[i].Value = []byte(`"poison"`)
				w.poisoned[id] = true
			}
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
	partition := sinks.Partition{Topic: "events", Number: rng.Int32N(3)}
	if rng.IntN(2) == 0 {
		partition = sinks.Partition{Topic: "ads", Number: rng.Int32N(2)}
	}
	switch rng.IntN(12) {
	case 0:
		b.allDown = true
	case 1, 2:
		b.down[partition] = sinks.ReasonUnavailable
	case 3:
		b.noTopic[partition.Topic] = sinks.ReasonUnavailable
	case 4:
		b.lose = rng.Float64() / 2
	case 5:
		b.drop = rng.Float64() / 2
	case 6:
		b.forget()
	case 7:
		b.sendTime = time.Duration(rng.IntN(2000)) * time.Microsecond
	default:
		b.repair()
	}
}

func (b *broker) repair() {
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
	bad := 0
	for id := range acked {
		if w.poisoned[id] {
			bad++
			continue
		}
		if stored[id] == 0 {
			w.t.Errorf("%s is lost", id)
		}
	}
	for id, n := range stored {
		if w.poisoned[id] {
			w.t.Errorf("%s is stored", id)
		}
		if n > 1 {
			w.t.Errorf("%s is stored %d times", id, n)
		}
	}
	if rows := len(w.b.records("events.bad")[0]); rows < bad || rows > len(w.poisoned) {
		w.t.Errorf("%d bad rows for %d records refused, %d of them acknowledged", rows, len(w.poisoned), bad)
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
			w.b.with(w.b.repair)
			j := open(t, quick(fs, w.b.client()))
			empty(t, j)
			w.check(w.snapshot())
			eventually(t, "released", func() bool { return j.log.Usage().Segments == 1 })
		})
	}
}

func (w *world) options(fs disk.FS, c sinks.Forwarder) Options {
	opt := quick(fs, c)
	if w.stuck != "" {
		opt.segmentBytes = 8 << 10
	}
	return opt
}

// TestPowerCutsPinned is TestPowerCuts with a topic that is missing, or that
// stores and never says so: the log keeps what waits and a few segments.
func TestPowerCutsPinned(t *testing.T) {
	rounds := 24
	if testing.Short() {
		rounds = 8
	}
	for seed := range uint64(rounds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 2000+seed)
			w.stuck = "stuck"
			w.topics = append(w.topics, w.stuck)
			if seed%2 == 0 {
				w.b.counts[w.stuck], w.b.stuck = 1, w.stuck
			}
			fs := disktest.New()
			fs.SetSyncTime(0)
			for range 6 {
				fs = w.live(fs, time.Duration(20+w.rng.IntN(60))*time.Millisecond)
				if t.Failed() {
					return
				}
			}
			w.b.with(w.b.repair)
			j := open(t, w.options(fs, w.b.client()))
			bounded(t, j)
			shut(t, j)
			w.b.with(func() { w.b.counts[w.stuck], w.b.stuck = 1, "" })
			j = open(t, w.options(fs, w.b.client()))
			empty(t, j)
			w.check(w.snapshot())
			eventually(t, "released", func() bool { return j.log.Usage().Segments == 1 })
		})
	}
}

// bounded waits until the log holds what waits and a few segments.
func bounded(t *testing.T, j *Journal) {
	t.Helper()
	eventually(t, "few segments", func() bool {
		j.mu.Lock()
		defer j.mu.Unlock()
		kept := map[uint64]bool{}
		for _, g := range j.segments.list {
			if g.waiting > 0 {
				kept[g.number] = true
			}
		}
		for _, number := range j.open {
			kept[number] = true
		}
		return j.caughtUp && j.log.Usage().Segments <= len(kept)*5/4+3
	})
}

// live is a process's life until the power is cut.
func (w *world) live(fs *disktest.Mem, life time.Duration) *disktest.Mem {
	c := w.b.client()
	j, err := Open(w.options(fs, c))
	if err != nil {
		w.t.Fatal(err)
	}
	stop := make(chan struct{})
	load, mischief := w.load(j, stop), w.mischief(stop)
	time.Sleep(life)
	c.kill()
	acked := w.snapshot()
	after := fs.Cut(w.rng)
	oneName(after)
	close(stop)
	load()
	mischief()
	w.mu.Lock()
	w.acked = acked
	w.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := j.Close(ctx); err != nil {
		w.t.Error(err)
	}
	return after
}

// oneName leaves each file one name: a rename is atomic on the file systems that a
// journal is kept on, while the one in memory may lose power half way.
func oneName(fs *disktest.Mem) {
	for _, state := range []string{".clean", ".dirty"} {
		for name, data := range fs.Files(state) {
			if data == "" {
				continue
			}
			before := fs.Files("")
			fs.Flip(name, 0, 1)
			changed := 0
			for other, data := range fs.Files("") {
				if data != before[other] {
					changed++
				}
			}
			fs.Flip(name, 0, 1)
			if changed > 1 {
				fs.Remove(name)
			}
		}
	}
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
			w.b.with(w.b.repair)
			j := open(t, opt(w.b.client()))
			empty(t, j)
			w.check(w.snapshot())
		})
	}
}
