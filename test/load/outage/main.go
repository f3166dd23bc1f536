// Command outage sends at a constant rate while Kafka is stopped for a long time
// and started again: memory must stay flat, the drain must not hurt those who
// send meanwhile, and every acknowledged event must be in the topic once.
//
//	go run ./test/load/outage [-minutes 20] [-rate 5000] [-svg docs/img/outage.svg]
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"assent/test/load/drive"
	"assent/test/load/rig"
)

type options struct {
	minutes     float64
	rate        float64
	before      time.Duration
	connections int
	svg         string
}

func main() {
	var o options
	flag.Float64Var(&o.minutes, "minutes", 20, "how long Kafka is away")
	flag.Float64Var(&o.rate, "rate", 5000, "events/s, one a request")
	flag.DurationVar(&o.before, "before", time.Minute, "how long everything works first, and again after the drain")
	flag.IntVar(&o.connections, "connections", 256, "connections")
	flag.StringVar(&o.svg, "svg", "", "write a plot here")
	rig.Main("outage", func(r *rig.Rig) error { return run(r, o) })
}

// phase is a part of the run.
type phase int32

const (
	before phase = iota
	outage
	drain
	after
	phases
)

var names = [phases]string{"before", "outage", "drain", "after"}

// sample is what ten seconds of one phase, or what there is of it, looked like.
type sample struct {
	at      time.Duration // its end, since the start
	phase   phase
	took    drive.Histogram
	not     int // answers that were not 2xx
	rss     float64
	backlog int64
}

const every = 10 * time.Second

// trial is one run.
type trial struct {
	o       options
	server  *rig.Server
	start   time.Time
	phase   atomic.Int32
	tally   drive.Tally
	acked   []bool // by number; the driving thread's until it has ended
	samples []sample
	down    [phases]time.Duration // when each phase began
}

func run(r *rig.Rig, o options) error {
	if err := r.Build("assent/cmd/assent"); err != nil {
		return err
	}
	broker := r.Broker()
	server, err := r.Assent(broker.Addr)
	if err != nil {
		return err
	}
	cookies, err := server.Visitors(64, "")
	if err != nil {
		return err
	}
	id := rig.NewRun()
	request, err := rig.Single("/v1/events", id, cookies)
	if err != nil {
		return err
	}
	t := &trial{o: o, server: server, start: time.Now()}
	sending, stop := context.WithCancel(context.Background())
	defer stop()
	driven := make(chan error, 1)
	go func() {
		_, err := drive.Run(sending, drive.Plan{Addr: server.Addr, Connections: o.connections, Rate: o.rate, Request: request, Answer: t.answer})
		driven <- err
	}()
	watched := make(chan error, 1)
	drained := make(chan struct{})
	go func() { watched <- t.watch(sending, drained) }()

	time.Sleep(o.before)
	broker.Stop()
	t.enter(outage)
	time.Sleep(time.Duration(o.minutes * float64(time.Minute)))
	broker.Restart()
	t.enter(drain)
	select {
	case <-drained:
	case err := <-watched:
		return err
	case err := <-driven:
		return fmt.Errorf("the sender ended: %w", err)
	}
	t.enter(after)
	time.Sleep(o.before)
	stop()
	if err := <-driven; err != nil {
		return err
	}
	if err := <-watched; err != nil {
		return err
	}
	if _, err := server.Drain(); err != nil {
		return err
	}
	t.report()
	if o.svg != "" {
		if err := t.plot(o.svg); err != nil {
			return err
		}
	}
	return t.compare(broker.Addr, id)
}

func (t *trial) enter(p phase) {
	t.down[p] = time.Since(t.start)
	t.phase.Store(int32(p))
	fmt.Fprintf(os.Stderr, "%6s  %s\n", t.down[p].Round(time.Second), names[p])
}

func (t *trial) answer(n int, took time.Duration, status int) {
	for len(t.acked) <= n {
		t.acked = append(t.acked, false)
	}
	t.acked[n] = status/100 == 2
	t.tally.Answer(n, took, status)
}

// watch samples until ctx ends, and closes drained once the backlog is what one
// second brings.
func (t *trial) watch(ctx context.Context, drained chan struct{}) error {
	look := time.NewTicker(time.Second)
	defer look.Stop()
	var running phase
	for last := time.Now(); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
		}
		now := phase(t.phase.Load())
		whole := now != running || time.Since(last) >= every
		if now != drain && !whole {
			continue
		}
		backlog, err := t.server.Backlog()
		if err != nil {
			return err
		}
		if drained != nil && now == drain && float64(backlog) <= t.o.rate {
			close(drained)
			drained = nil
		}
		if !whole {
			continue
		}
		s := sample{at: time.Since(t.start), phase: running, rss: t.server.RSS(), backlog: backlog}
		s.took, s.not = t.tally.Take()
		fmt.Fprintf(os.Stderr, "%6s  %-6s  %6.0f/s  p50 %.2f ms  p99 %.2f ms  refused %d  RSS %.0f MB  backlog %d\n", s.at.Round(time.Second), names[running],
			float64(s.took.Count)/time.Since(last).Seconds(), s.took.Millis(0.5), s.took.Millis(0.99), s.not, s.rss, s.backlog)
		t.samples = append(t.samples, s)
		last, running = time.Now(), now
	}
}

// report prints a line a minute, then one for each phase.
func (t *trial) report() {
	fmt.Println("| minute | phase | p50 ms | p99 ms | not 2xx | RSS MB | backlog |\n|---|---|---|---|---|---|---|")
	var minute drive.Histogram
	not := 0
	for i, s := range t.samples {
		minute.Merge(&s.took)
		not += s.not
		if i+1 < len(t.samples) && t.samples[i+1].at/time.Minute == s.at/time.Minute {
			continue
		}
		fmt.Printf("| %d | %s | %.2f | %.2f | %d | %.0f | %d |\n", s.at/time.Minute, names[s.phase], minute.Millis(0.5), minute.Millis(0.99), not, s.rss, s.backlog)
		minute, not = drive.Histogram{}, 0
	}
	var first float64
	fmt.Println("\n| phase | lasted s | p50 ms | p99 ms | p99, ratio to before | RSS MB: least, most |\n|---|---|---|---|---|---|")
	for p := range phases {
		var all drive.Histogram
		least, most := 0.0, 0.0
		for _, s := range t.samples {
			if s.phase == p {
				all.Merge(&s.took)
				most = max(most, s.rss)
				if least == 0 || s.rss < least {
					least = s.rss
				}
			}
		}
		if p == before {
			first = all.Millis(0.99)
		}
		lasted := "–"
		if p+1 < phases {
			lasted = fmt.Sprintf("%.0f", (t.down[p+1] - t.down[p]).Seconds())
		}
		fmt.Printf("| %s | %s | %.2f | %.2f | %.2f | %.0f, %.0f |\n", names[p], lasted, all.Millis(0.5), all.Millis(0.99), all.Millis(0.99)/first, least, most)
	}
}

// compare holds what was acknowledged against what the topic has.
func (t *trial) compare(kafka, id string) error {
	have := make([]bool, len(t.acked))
	c, err := rig.CountIDs(kafka, rig.Topic, id, have)
	if err != nil {
		return err
	}
	acked, lost := 0, 0
	for n, ok := range t.acked {
		if ok {
			acked++
			if !have[n] {
				lost++
			}
		}
	}
	fmt.Printf("\n%d events sent, %d acknowledged; the topic has %d records: %d events once, %d again, %d of other origin. Acknowledged and not there: %d.\n",
		len(t.acked), acked, c.Records, c.Once, c.Again, c.Strange, lost)
	if lost > 0 || c.Again > 0 {
		return fmt.Errorf("%d acknowledged events are lost and %d records doubled", lost, c.Again)
	}
	return nil
}
