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

// TestTurns: what is late goes out a few lanes at a time, what is not goes at once.
func TestTurns(t *testing.T) {
	turns := max(1, runtime.GOMAXPROCS(0)/2)
	lanes := 2*turns + 4
	for _, c := range []struct {
		name string
		age  int64 // ms
		fits func(most int) bool
	}{
		{"late", 2 * late, func(most int) bool { return most <= turns }},
		{"fresh", 0, func(most int) bool { return most > turns }},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBroker(1, map[string]int32{"events": int32(lanes)})
			b.sendTime = 5 * time.Millisecond
			b.noTopic["events"] = sinks.ReasonUnavailable
			fs := disktest.New()
			fs.SetSyncTime(0)
			j := open(t, quick(fs, b.client()))
			for n := range 40 * lanes {
				one := single("web", fmt.Sprintf("k%d", n), n, "events")
				one.Events[0].Judged.At = time.Now().UnixMilli() - c.age
				commit(t, j, one)
			}
			b.with(func() { delete(b.noTopic, "events") })
			idle(t, j)
			if !c.fits(b.mostWorking) {
				t.Errorf("%d lanes of %d sent at once; there are %d turns", b.mostWorking, lanes, turns)
			}
		})
	}
}

// work counts how often lanes at a pacer get their turn within a time, each of
// them working so long.
func work(p *pacer, within time.Duration, rest bool, took ...time.Duration) (done []int) {
	stop := make(chan struct{})
	done = make([]int, len(took))
	var lanes sync.WaitGroup
	for i, d := range took {
		lanes.Go(func() {
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
	lanes.Wait()
	return done
}

func TestRests(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		name       string
		processors int
		rest       bool
		took       []time.Duration
		want       int // turns of all lanes in one second
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

// TestHangingTurn: a lane that waits for an answer that does not come keeps
// others up for a moment.
func TestHangingTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		done := work(newPacer(2), 20*time.Second, true, 10*time.Second, 10*time.Millisecond)
		// All the time, half of it at rest, but for the turn that hangs: twice.
		if least := 900; done[1] < least {
			t.Errorf("%d turns beside a lane that hangs, want at least %d", done[1], least)
		}
	})
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

// TestMayRest: nobody rests while a sender waits for delivery, or the journal
// turns senders away.
func TestMayRest(t *testing.T) {
	b := newBroker(1, map[string]int32{"events": 1})
	b.allDown = true
	j := open(t, quick(disktest.New(), b.client()))
	eventually(t, "recovered", j.recovered.Load)
	if !j.mayRest() {
		t.Error("no rest, though nobody waits")
	}
	j.used.Add(j.highWater)
	if j.mayRest() {
		t.Error("rest, though the journal is past its high-water mark")
	}
	j.used.Add(-j.highWater)
	waits := single("web", "k", 1, "events")
	waits.Promise = sinks.Delivered
	done := make(chan error)
	go func() { done <- j.Commit(t.Context(), waits) }()
	eventually(t, "a sender waits", func() bool { return !j.mayRest() })
	b.with(func() { b.allDown = false })
	if err := <-done; err != nil || !j.mayRest() {
		t.Errorf("delivered: %v, may rest: %t", err, j.mayRest())
	}
}
