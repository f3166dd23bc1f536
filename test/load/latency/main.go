// Command latency measures how long answers take in an open loop.
//
// At half of the rate that Assent with journal and Kafka can do, the bare
// handler and Assent take turns; the ratio is that of their p99 within a round.
// Then the two promises, each by a source of its own, at a modest rate.
//
//	go run ./test/load/latency [-rounds 5] [-run 10s] [-connections 256] [-rate N] [-modest 1000]
package main

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"time"

	"assent/test/load/drive"
	"assent/test/load/rig"
)

type options struct {
	rounds, connections int
	run                 time.Duration
	rate, modest        float64
}

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 5, "rounds")
	flag.IntVar(&o.connections, "connections", 256, "connections")
	flag.DurationVar(&o.run, "run", 10*time.Second, "how long each run takes")
	flag.Float64Var(&o.rate, "rate", 0, "requests/s; 0: half of what Assent can do")
	flag.Float64Var(&o.modest, "modest", 1000, "requests/s for the promises; 0: leave them out")
	rig.Main("latency", func(r *rig.Rig) error { return run(r, o) })
}

func run(r *rig.Rig, o options) error {
	if err := r.Build("assent/cmd/assent", "assent/test/load/server"); err != nil {
		return err
	}
	kafka := r.Broker().Addr
	if err := half(r, o, kafka); err != nil || o.modest == 0 {
		return err
	}
	return promises(r, o, kafka)
}

// side is a server with who visits it.
type side struct {
	*rig.Server
	cookies []string
	target  string
	cold    bool // answers other than 2xx are let pass
}

// warm has a server make its topics and connections, uncounted.
func (s *side) warm(o options) error {
	o.run = 2 * time.Second
	s.cold = true
	_, _, err := s.measure(o, 500, o.connections)
	s.cold = false
	return err
}

// measure sends at a rate, 0 for as fast as it goes, and waits for the drain.
func (s *side) measure(o options, rate float64, connections int) (h drive.Histogram, perSecond float64, err error) {
	request, err := rig.Single(s.target, rig.NewRun(), s.cookies)
	if err != nil {
		return h, 0, err
	}
	var tally drive.Tally
	took, err := drive.Run(context.Background(), drive.Plan{
		Addr: s.Addr, Connections: connections, Rate: rate, For: o.run, Request: request, Answer: tally.Answer,
	})
	if err != nil {
		return h, 0, err
	}
	h, not := tally.Take()
	if not > 0 && !s.cold {
		return h, 0, fmt.Errorf("%d of %d answers were not 2xx", not, uint64(not)+h.Count)
	}
	if s.Admin != "" {
		if _, err := s.Drain(); err != nil {
			return h, 0, err
		}
	}
	return h, float64(h.Count) / took.Seconds(), nil
}

func half(r *rig.Rig, o options, kafka string) error {
	bare, err := r.Bare()
	if err != nil {
		return err
	}
	assent, err := r.Assent(kafka)
	if err != nil {
		return err
	}
	cookies, err := assent.Visitors(64, "")
	if err != nil {
		return err
	}
	sides := []*side{{Server: bare, target: "/v1/events"}, {Server: assent, cookies: cookies, target: "/v1/events"}}
	if err := sides[1].warm(o); err != nil {
		return err
	}
	if o.rate == 0 {
		var rates []float64
		for round := range 3 {
			rig.Progress("what Assent can do, %d/3", round+1)
			_, n, err := sides[1].measure(o, 0, o.connections)
			if err != nil {
				return err
			}
			rates = append(rates, n)
		}
		o.rate = rig.Median(rates) / 2
		rig.Progress("")
		fmt.Printf("Assent with journal and Kafka, closed loop over %d connections: %.0f requests/s median, %.0f best.\n\n", o.connections, 2*o.rate, slices.Max(rates))
	}
	var p50, p99 [2][]float64
	var ratios []float64
	for round := range o.rounds {
		var row [2]float64
		for i, s := range sides {
			rig.Progress("open loop at %.0f/s, round %d/%d", o.rate, round+1, o.rounds)
			h, _, err := s.measure(o, o.rate, o.connections)
			if err != nil {
				return err
			}
			row[i] = h.Millis(0.99)
			p50[i], p99[i] = append(p50[i], h.Millis(0.5)), append(p99[i], row[i])
		}
		ratios = append(ratios, row[1]/row[0])
	}
	rig.Progress("")
	fmt.Printf("| open loop, %.0f requests/s | p50 ms (min–max) | p99 ms (min–max) | p99, ratio to bare |\n|---|---|---|---|\n", o.rate)
	fmt.Printf("| bare fasthttp, 204 | %s | %s | 1 |\n", rig.Spread(p50[0]), rig.Spread(p99[0]))
	fmt.Printf("| Assent, journal and Kafka | %s | %s | %s |\n\n", rig.Spread(p50[1]), rig.Spread(p99[1]), rig.Spread(ratios))
	bare.Stop()
	assent.Stop()
	return nil
}

func promises(r *rig.Rig, o options, kafka string) error {
	server, err := r.Assent(kafka, "sources:", "  - {id: quick, kind: web, key: quick}", "  - {id: sure, kind: web, key: sure, promise: kafka}")
	if err != nil {
		return err
	}
	cookies, err := server.Visitors(64, "?k=quick")
	if err != nil {
		return err
	}
	sides := []*side{{Server: server, cookies: cookies, target: "/v1/events?k=quick"}, {Server: server, cookies: cookies, target: "/v1/events?k=sure"}}
	for _, s := range sides {
		if err := s.warm(o); err != nil {
			return err
		}
	}
	var p50, p99 [2][]float64
	for round := range o.rounds {
		for i, s := range sides {
			rig.Progress("promises at %.0f/s, round %d/%d", o.modest, round+1, o.rounds)
			h, _, err := s.measure(o, o.modest, o.connections)
			if err != nil {
				return err
			}
			p50[i], p99[i] = append(p50[i], h.Millis(0.5)), append(p99[i], h.Millis(0.99))
		}
	}
	rig.Progress("")
	fmt.Printf("| promise, open loop, %.0f requests/s | p50 ms (min–max) | p99 ms (min–max) |\n|---|---|---|\n", o.modest)
	for i, name := range []string{"durable", "kafka"} {
		fmt.Printf("| `%s` | %s | %s |\n", name, rig.Spread(p50[i]), rig.Spread(p99[i]))
	}
	return nil
}
