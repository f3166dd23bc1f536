// Command batches measures requests of a hundred varied events each: how many
// events a second are accepted into the journal, and which rate goes on to Kafka
// on the same machine without a backlog that grows.
//
//	go run ./test/load/batches [-rounds 5] [-run 10s] [-connections 32] [-rates 60000,80000,100000,120000] [-sustain 25s]
package main

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"assent/test/load/drive"
	"assent/test/load/rig"
)

type options struct {
	rounds, connections int
	run, sustain        time.Duration
	rates               string
}

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 5, "rounds of accepting")
	flag.IntVar(&o.connections, "connections", 32, "connections")
	flag.DurationVar(&o.run, "run", 10*time.Second, "how long each run of accepting takes")
	flag.DurationVar(&o.sustain, "sustain", 25*time.Second, "how long each rate is kept up; its first 5 s are not judged")
	flag.StringVar(&o.rates, "rates", "60000,80000,100000,120000,140000", "events/s to try end to end, until the first that is too much")
	rig.Main("batches", func(r *rig.Rig) error { return run(r, o) })
}

func run(r *rig.Rig, o options) error {
	if err := r.Build("assent/cmd/assent"); err != nil {
		return err
	}
	kafka := r.Broker().Addr
	_, mean := rig.Batches("/", rig.NewRun(), nil)
	fmt.Printf("Batches of %d events of %.0f bytes on average.\n\n", rig.BatchSize, mean)
	if err := accept(r, o, kafka); err != nil {
		return err
	}
	return sustain(r, o, kafka)
}

// load is one run of batches against a server.
type load struct {
	tally drive.Tally
	took  time.Duration
}

func (l *load) drive(s *rig.Server, cookies []string, rate float64, o options, how time.Duration) (err error) {
	request, _ := rig.Batches("/v1/events", rig.NewRun(), cookies)
	l.took, err = drive.Run(context.Background(), drive.Plan{
		Addr: s.Addr, Connections: o.connections, Rate: rate / rig.BatchSize, For: how, Request: request, Answer: l.tally.Answer,
	})
	return err
}

// accept starts a server anew for each run, as what one leaves would pile up.
func accept(r *rig.Rig, o options, kafka string) error {
	away, err := rig.FreePort()
	if err != nil {
		return err
	}
	fmt.Println("| accepted, closed loop | events/s: median, best | min–max | refused requests | RSS MB | CPU µs an event | drain s |\n|---|---|---|---|---|---|---|")
	rows := []struct {
		name, kafka             string
		rates, cpu, drains, rss []float64
		refused                 int
	}{{name: "journal, Kafka away", kafka: away}, {name: "journal and Kafka", kafka: kafka}}
	for round := range o.rounds {
		for i := range rows {
			row := &rows[i]
			rig.Progress("accepting, round %d/%d: %s", round+1, o.rounds, row.name)
			s, err := r.Assent(row.kafka)
			if err != nil {
				return err
			}
			cookies, err := s.Visitors(64, "")
			if err != nil {
				return err
			}
			var l load
			if err := l.drive(s, cookies, 0, o, time.Second); err != nil { // warm-up
				return err
			}
			l.tally.Take()
			cpu := s.CPU()
			if err := l.drive(s, cookies, 0, o, o.run); err != nil {
				return err
			}
			cpu = s.CPU() - cpu
			h, not := l.tally.Take()
			row.refused += not
			events := float64(h.Count) * rig.BatchSize
			row.rates = append(row.rates, events/l.took.Seconds())
			row.cpu = append(row.cpu, float64(cpu.Microseconds())/max(events, 1))
			row.rss = append(row.rss, s.RSS())
			drain, err := s.Drain()
			if err != nil {
				return err
			}
			row.drains = append(row.drains, drain.Seconds())
			s.Stop()
		}
	}
	rig.Progress("")
	for _, row := range rows {
		mid := rig.Median(row.rates)
		fmt.Printf("| %s | %.0f, %.0f | %.0f–%.0f | %d | %.0f | %.2f | %.1f |\n", row.name, mid, slices.Max(row.rates), row.rates[0], row.rates[len(row.rates)-1],
			row.refused, slices.Max(row.rss), rig.Median(row.cpu), rig.Median(row.drains))
	}
	fmt.Println()
	return nil
}

// leadIn is how long a rate settles before its backlog is judged.
const leadIn = 5 * time.Second

func sustain(r *rig.Rig, o options, kafka string) error {
	s, err := r.Assent(kafka)
	if err != nil {
		return err
	}
	cookies, err := s.Visitors(64, "")
	if err != nil {
		return err
	}
	fmt.Println("| events/s offered | accepted | p99 ms | refused requests | backlog at the end | its growth, events/s | drain s | CPU µs an event | keeps up |\n|---|---|---|---|---|---|---|---|---|")
	for field := range strings.SplitSeq(o.rates, ",") {
		rate, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return fmt.Errorf("reading the rates: %w", err)
		}
		rig.Progress("end to end, %.0f events/s", rate)
		watch := watch(s)
		var l load
		cpu := s.CPU()
		if err := l.drive(s, cookies, rate, o, o.sustain); err != nil {
			return err
		}
		cpu = s.CPU() - cpu
		samples, err := watch.stop()
		if err != nil {
			return err
		}
		drain, err := s.Drain()
		if err != nil {
			return err
		}
		h, not := l.tally.Take()
		accepted := float64(h.Count) * rig.BatchSize / o.sustain.Seconds()
		growth := slope(samples)
		ok := growth < rate/100 && not == 0 && accepted > 0.99*rate && h.Quantile(0.99) < time.Second
		rig.Progress("")
		fmt.Printf("| %.0f | %.0f | %.1f | %d | %.0f | %.0f | %.1f | %.2f | %s |\n", rate, accepted, h.Millis(0.99), not, samples[len(samples)-1].backlog, growth,
			drain.Seconds(), float64(cpu.Microseconds())/(accepted*o.sustain.Seconds()), map[bool]string{true: "yes", false: "**no**"}[ok])
		if !ok {
			return nil
		}
	}
	return nil
}

// sample is the backlog at an instant after the lead-in, in seconds.
type sample struct{ at, backlog float64 }

// watcher samples the backlog every second until it is stopped.
type watcher struct {
	end     chan struct{}
	done    chan struct{}
	samples []sample
	err     error
}

func watch(s *rig.Server) *watcher {
	w := &watcher{end: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(w.done)
		start := time.Now()
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-w.end:
				return
			case <-tick.C:
			}
			if time.Since(start) < leadIn {
				continue
			}
			backlog, err := s.Backlog()
			if err != nil {
				w.err = err
				return
			}
			w.samples = append(w.samples, sample{time.Since(start).Seconds(), float64(backlog)})
		}
	}()
	return w
}

func (w *watcher) stop() ([]sample, error) {
	close(w.end)
	<-w.done
	if len(w.samples) < 3 && w.err == nil {
		return nil, fmt.Errorf("too short a run to judge a backlog: keep it up for more than %s", leadIn+3*time.Second)
	}
	return w.samples, w.err
}

// slope is the growth per second of the line that fits the samples best.
func slope(samples []sample) float64 {
	var t, b, tt, tb float64
	n := float64(len(samples))
	for _, s := range samples {
		t, b, tt, tb = t+s.at, b+s.backlog, tt+s.at*s.at, tb+s.at*s.backlog
	}
	return (n*tb - t*b) / (n*tt - t*t)
}
