package journal

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"assent/disk/disktest"
	"assent/sinks"
)

// TestTurns: what is late goes out a few queues at a time, unless that would help
// nobody; what is not goes at once.
func TestTurns(t *testing.T) {
	turns := max(1, runtime.GOMAXPROCS(0)/2)
	queues := 2*turns + 4
	for _, c := range []struct {
		name  string
		age   int64   // ms
		water float64 // high water
		fails bool    // at first
		turns bool
	}{
		{"late", 2 * late, 1, false, true},
		{"fresh", 0, 1, false, false},
		{"late, and senders are turned away", 2 * late, 1e-9, false, false},
		{"late, and tried again", 2 * late, 1, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBroker(1, map[string]int32{"events": int32(queues)})
			b.sendTime = 10 * time.Millisecond // more than queues wait that try again
			b.noTopic["events"] = sinks.ReasonUnavailable
			fs := disktest.New()
			fs.SetSyncTime(0)
			opt := quick(fs, b.client())
			opt.HighWater, opt.MaxBatchRecords = c.water, 4
			j := open(t, opt)
			for n := range 40 * queues {
				one := single("web", fmt.Sprintf("k%d", n), n, "events")
				one.Events[0].Provenance.At = time.Now().UnixMilli() - c.age
				commit(t, j, one)
			}
			b.with(func() { delete(b.noTopic, "events"); b.allDown = c.fails })
			if c.fails {
				eventually(t, "all were tried", func() bool {
					j.mu.Lock()
					defer j.mu.Unlock()
					failing := 0
					for _, q := range j.queues {
						if !q.parked && !q.failing.IsZero() {
							failing++
						}
					}
					return failing == queues
				})
				b.with(func() { b.allDown = false })
			}
			idle(t, j)
			crowded := 0
			for _, others := range b.beside {
				if others >= turns {
					crowded++
				}
			}
			// A machine that stands still for maxTurn takes a turn away; never many.
			if (crowded < 4) != c.turns {
				t.Errorf("%d of %d sends began beside %d others or more; there are as many turns", crowded, len(b.beside), turns)
			}
		})
	}
}

// work counts how often queues at a pacer get their turn within a time, each of
// them working so long.
func work(p *pacer, within time.Duration, rest bool, took ...time.Duration) (done []int) {
	stop := make(chan struct{})
	done = make([]int, len(took))
	var queues sync.WaitGroup
	for i, d := range took {
		queues.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				p.turn(stop, rest, func() { time.Sleep(d); done[i]++ })
			}
		})
	}
	time.Sleep(within)
	close(stop)
	queues.Wait()
	return done
}

func TestRests(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		name       string
		processors int
		rest       bool
		took       []time.Duration
		want       int // turns of all queues in one second
	}{
		{"one at a time", 2, false, []time.Duration{10 * ms, 10 * ms, 10 * ms}, 100},
		{"as long as it worked", 2, true, []time.Duration{10 * ms, 10 * ms, 10 * ms}, 50},
		{"one processor", 1, true, []time.Duration{10 * ms, 10 * ms}, 50},
		{"four of eight", 8, true, []time.Duration{10 * ms, 10 * ms, 10 * ms, 10 * ms, 10 * ms}, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sum := 0
				for _, n := range work(newPacer(c.processors), time.Second-ms/2, c.rest, c.took...) {
					sum += n
				}
				if sum < c.want-1 || sum > c.want+1 {
					t.Errorf("%d turns in a second, want %d", sum, c.want)
				}
			})
		})
	}
}

// TestHangingTurn: queues that wait for an answer that does not come keep others up
// for a moment, and however many they are not for long.
func TestHangingTurn(t *testing.T) {
	for _, c := range []struct{ hanging, least int }{
		{1, 950},  // all the time, half of it at rest, but for the turn that hangs: twice
		{100, 20}, // once in maxWait, 20 s long, and more where fewer wait
	} {
		synctest.Test(t, func(t *testing.T) {
			took := []time.Duration{10 * time.Millisecond}
			for range c.hanging {
				took = append(took, 10*time.Second)
			}
			if done := work(newPacer(2), 40*time.Second, true, took...); done[0] < c.least {
				t.Errorf("%d turns beside %d queues that hang, want at least %d", done[0], c.hanging, c.least)
			}
		})
	}
}

// TestStopped: who waits for a turn does not keep the journal open.
func TestStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, stop := newPacer(2), make(chan struct{})
		close(stop)
		p.turns <- struct{}{}
		p.turn(stop, true, func() { t.Error("it ran") })
		<-p.turns
		start := time.Now()
		for range 100 {
			p.turn(stop, true, func() { time.Sleep(time.Millisecond) })
		}
		if d := time.Since(start); d > 100*time.Millisecond {
			t.Errorf("it rested for %s", d-100*time.Millisecond)
		}
	})
}

// TestPace: there are turns while twice of what comes in goes out, and rests
// while anything comes in.
func TestPace(t *testing.T) {
	for _, c := range []struct {
		name         string
		window       time.Duration
		in, out      int
		turns, rests bool
	}{
		{"gains", paceWindow, 5_000, 30_000, true, true},
		{"twice", paceWindow, 5_000, 10_000, true, true},
		{"falls behind", paceWindow, 50_000, 30_000, false, true},
		{"gains too little", paceWindow, 20_000, 30_000, false, true},
		{"nothing comes in", paceWindow, 0, 30_000, true, false},
		{"nothing goes out", paceWindow, 5_000, 0, true, true},
		{"nothing at all", paceWindow, 0, 0, true, true},
		{"not for long", paceWindow / 2, 50_000, 30_000, true, true},
		{"long ago", time.Hour, 50_000, 30_000, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPacer(2)
				const before = 1_000_000
				p.look(before)
				time.Sleep(c.window)
				p.count(c.out)
				turns, rests := p.look(int64(before + c.in - c.out))
				if turns != c.turns || rests != c.rests {
					t.Errorf("turns %t, rests %t; want %t, %t", turns, rests, c.turns, c.rests)
				}
			})
		})
	}
}

// TestWhoWaits: nobody rests while a sender waits for delivery.
func TestWhoWaits(t *testing.T) {
	b := newBroker(1, map[string]int32{"events": 1})
	b.allDown = true
	j := open(t, quick(disktest.New(), b.client()))
	eventually(t, "recovered", j.recovered.Load)
	if j.tickets.any() {
		t.Error("somebody waits")
	}
	waits := single("web", "k", 1, "events")
	waits.Promise = sinks.Delivered
	done := make(chan error)
	go func() { done <- j.Commit(t.Context(), waits) }()
	eventually(t, "a sender waits", j.tickets.any)
	b.with(func() { b.allDown = false })
	if err := <-done; err != nil || j.tickets.any() {
		t.Errorf("delivered: %v, somebody waits: %t", err, j.tickets.any())
	}
}
