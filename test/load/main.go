// Command load measures what enforcement and durability cost: bare fasthttp,
// Assent with a null sink, with the file sink, with journal and Kafka, and with
// the journal while Kafka is away take turns under the same wrk, several rounds;
// the table gives medians and best, and ratios within each round. A run with
// Kafka counts until the backlog it left has drained.
//
// With -against, another checkout of this module takes its turn beside each side.
// Trust the processor time a request then: it depends less on what else runs on
// the machine than requests a second do.
//
//	go run ./test/load [-rounds 5] [-seconds 5] [-only Kafka] [-against ../before] [-env GOMAXPROCS=3] [-svg docs/img/bench.svg]
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"assent/test/load/rig"
)

// visitors take turns: one alone would fill one partition.
const visitors = 64

// Seconds before anything counts: Kafka's compilers take a tenth of two cores for
// half a minute, which no broker in service does.
const warmUp, warmBroker = 2, 40

// side is one of the servers under load.
type side struct {
	name   string
	start  func() (*rig.Server, error)
	anew   bool // starts for each run: what it leaves would pile up
	drains bool // its records go on to Kafka
	before int  // the side that it is held against; 0 is the bare one

	server  *rig.Server
	cookies []string
}

type figure struct {
	perSecond, p50, p99 float64 // requests; ms
	cpu                 float64 // µs of the server's processor time a request
	rss                 float64 // MB at the end of the run
	forwarded           float64 // share of the events that was in Kafka when the load stopped
	drain               float64 // s until the rest was
}

var counts = []int{64, 256} // connections

func main() {
	rounds := flag.Int("rounds", 5, "rounds")
	seconds := flag.Int("seconds", 5, "seconds a run")
	only := flag.String("only", "", "measure only the sides whose name holds this, and bare")
	against := flag.String("against", "", "another checkout of this module, `DIR`, to hold each side against")
	svg := flag.String("svg", "", "write a plot here")
	rig.Main("load", func(r *rig.Rig) error { return run(r, *rounds, *seconds, *only, *against, *svg) })
}

func run(r *rig.Rig, rounds, seconds int, only, against, svg string) error {
	if _, err := exec.LookPath("wrk"); err != nil {
		return errors.New("wrk is not installed: apt-get install wrk")
	}
	programs := []string{"assent/cmd/assent", "assent/test/load/server"}
	if err := r.Build(programs...); err != nil {
		return err
	}
	broker := sync.OnceValue(r.Broker)
	sides, err := field(r, broker, only)
	if err != nil {
		return err
	}
	if against != "" {
		other, err := r.Other(against, programs...)
		if err != nil {
			return err
		}
		befores, err := field(other, broker, only)
		if err != nil {
			return err
		}
		sides = paired(sides, befores)
	}
	for _, s := range sides {
		if err := s.ready(); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	results := map[int][][]figure{}
	for _, connections := range counts {
		for number := range rounds + 1 {
			row, err := round(r, sides, connections, number, seconds)
			if err != nil {
				return err
			}
			if number > 0 {
				results[connections] = append(results[connections], row)
			}
		}
	}
	rig.Progress("")
	report(os.Stdout, sides, results)
	if against != "" {
		compare(os.Stdout, sides, results)
	}
	if svg != "" {
		return plot(svg, sides, results)
	}
	return nil
}

// round gives each side its turn, in odd rounds from the last to the first: what one
// leaves to the next, as dirty pages, falls on both of a pair. Round 0 is a warm-up.
func round(r *rig.Rig, sides []*side, connections, number, seconds int) ([]figure, error) {
	row := make([]figure, len(sides))
	for k := range sides {
		i := k
		if number%2 == 1 {
			i = len(sides) - 1 - k
		}
		s, n := sides[i], seconds
		if number == 0 {
			n = warmUp
		}
		if number == 0 && s.drains && connections == counts[0] {
			n = warmBroker
		}
		rig.Progress("%d connections, round %d: %s", connections, number, s.name)
		f, err := s.measure(r, connections, n)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		row[i] = f
	}
	return row, nil
}

// paired puts each side behind what it was before; the bare one did not change.
func paired(sides, befores []*side) []*side {
	all := sides[:1:1]
	for i, s := range sides[1:] {
		b := befores[i+1]
		b.name += ", before"
		s.before = len(all)
		all = append(all, b, s)
	}
	return all
}

// field returns the sides; the bare one is the first.
func field(r *rig.Rig, broker func() *rig.Broker, only string) ([]*side, error) {
	away, err := rig.FreePort()
	if err != nil {
		return nil, err
	}
	sides := []*side{
		{name: "bare fasthttp, 204", start: r.Bare},
		{name: "Assent, null sink", start: r.Null},
		{name: "Assent, file sink, durable", start: func() (*rig.Server, error) { return r.Assent("") }},
		{name: "Assent, journal and Kafka", drains: true, start: func() (*rig.Server, error) {
			return r.Assent(broker().Addr)
		}},
		{name: "Assent, journal, Kafka away", anew: true, start: func() (*rig.Server, error) { return r.Assent(away) }},
	}
	sides = slices.DeleteFunc(sides, func(s *side) bool {
		return only != "" && s.name != sides[0].name && !strings.Contains(s.name, only)
	})
	return sides, nil
}

// ready starts what runs from the first round to the last.
func (s *side) ready() error {
	if s.anew {
		return nil
	}
	return s.open()
}

func (s *side) open() (err error) {
	if s.server, err = s.start(); err != nil {
		return err
	}
	if !strings.HasPrefix(s.name, "bare") {
		s.cookies, err = s.server.Visitors(visitors, "")
	}
	return err
}

func (s *side) measure(r *rig.Rig, connections, seconds int) (figure, error) {
	if s.anew {
		if err := s.open(); err != nil {
			return figure{}, err
		}
		defer s.server.Stop()
		if _, err := s.wrk(r, connections, 1); err != nil {
			return figure{}, err
		}
	}
	var before int64
	if s.drains {
		var err error
		if before, err = s.server.Accepted(); err != nil {
			return figure{}, err
		}
		if err := s.server.Mark(); err != nil {
			return figure{}, err
		}
	}
	f, err := s.wrk(r, connections, seconds)
	if err != nil || !s.drains {
		return f, err
	}
	left, err := s.server.Backlog()
	if err != nil {
		return f, err
	}
	after, err := s.server.Accepted()
	if err != nil {
		return f, err
	}
	f.forwarded = 1 - float64(left)/float64(max(after-before, 1))
	took, err := s.server.Drain()
	f.drain = took.Seconds()
	return f, err
}

var (
	requests = regexp.MustCompile(`(\d+) requests in `)
	rate     = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)
	p50      = regexp.MustCompile(`50%\s+([0-9.]+)(us|ms|s)`)
	p99      = regexp.MustCompile(`99%\s+([0-9.]+)(us|ms|s)`)
	non2xx   = regexp.MustCompile(`Non-2xx or 3xx responses: (\d+)`)
)

// wrk makes one run. Every run has message ids of its own.
func (s *side) wrk(r *rig.Rig, connections, seconds int) (f figure, err error) {
	script, err := r.Script(rig.NewRun(), s.cookies)
	if err != nil {
		return f, err
	}
	defer os.Remove(script)
	cmd := exec.Command("wrk", "-t1", "-c", strconv.Itoa(connections), "-d", strconv.Itoa(seconds)+"s", "--latency", "-s", script, s.server.URL)
	used := s.server.CPU()
	out, err := cmd.Output()
	used = s.server.CPU() - used
	if err != nil {
		return f, fmt.Errorf("wrk: %w", err)
	}
	n, second := requests.FindSubmatch(out), rate.FindSubmatch(out)
	if n == nil || second == nil {
		return f, fmt.Errorf("wrk printed no count of requests: %s", out)
	}
	done, _ := strconv.ParseFloat(string(n[1]), 64)
	f.cpu = float64(used.Microseconds()) / max(done, 1)
	f.perSecond, _ = strconv.ParseFloat(string(second[1]), 64)
	f.p50, f.p99 = millis(p50.FindSubmatch(out)), millis(p99.FindSubmatch(out))
	if m := non2xx.FindSubmatch(out); m != nil {
		return f, fmt.Errorf("%s answers were not 2xx", m[1])
	}
	f.rss = s.server.RSS()
	time.Sleep(200 * time.Millisecond)
	return f, nil
}

func millis(m [][]byte) float64 {
	if m == nil {
		return 0
	}
	v, _ := strconv.ParseFloat(string(m[1]), 64)
	return v * map[string]float64{"us": 1e-3, "ms": 1, "s": 1e3}[string(m[2])]
}

// column gives one side's figures over the rounds.
func column(rows [][]figure, i int, get func(row []figure, f figure) float64) []float64 {
	var out []float64
	for _, row := range rows {
		out = append(out, get(row, row[i]))
	}
	return out
}

func perSecond(_ []figure, f figure) float64 { return f.perSecond }
func ratio(row []figure, f figure) float64   { return f.perSecond / row[0].perSecond }
func forwarded(_ []figure, f figure) float64 { return f.forwarded }
func drainTime(_ []figure, f figure) float64 { return f.drain }
func latency50(_ []figure, f figure) float64 { return f.p50 }
func latency99(_ []figure, f figure) float64 { return f.p99 }
func resident(_ []figure, f figure) float64  { return f.rss }
func processor(_ []figure, f figure) float64 { return f.cpu }

func report(w io.Writer, sides []*side, results map[int][][]figure) {
	fmt.Fprintln(w, "| | connections | requests/s: median, best | ratio to bare (min–max) | p50 ms | p99 ms | CPU µs a request | RSS MB | in Kafka at the end | drain s |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|---|---|")
	for _, connections := range counts {
		rows := results[connections]
		for i, s := range sides {
			rates := column(rows, i, perSecond)
			delivery := "| |"
			if s.drains {
				delivery = fmt.Sprintf("| %.0f %% | %.1f |", 100*rig.Median(column(rows, i, forwarded)), rig.Median(column(rows, i, drainTime)))
			}
			fmt.Fprintf(w, "| %s | %d | %.0f, %.0f | %s | %.2f | %.2f | %.1f | %.0f %s\n", s.name, connections,
				rig.Median(rates), slices.Max(rates), rig.Spread(column(rows, i, ratio)),
				rig.Median(column(rows, i, latency50)), rig.Median(column(rows, i, latency99)), rig.Median(column(rows, i, processor)),
				slices.Max(column(rows, i, resident)), delivery)
		}
	}
}

// compare tells what each side costs, as a ratio to what it was before, within each round.
func compare(w io.Writer, sides []*side, results map[int][][]figure) {
	fmt.Fprintln(w, "\n| to before: median (min–max) | connections | requests/s | CPU a request |")
	fmt.Fprintln(w, "|---|---|---|---|")
	for _, connections := range counts {
		rows := results[connections]
		for i, s := range sides {
			if s.before == 0 {
				continue
			}
			to := func(get func(figure) float64) string {
				return rig.Spread(column(rows, i, func(row []figure, f figure) float64 { return get(f) / get(row[s.before]) }))
			}
			fmt.Fprintf(w, "| %s | %d | %s | %s |\n", s.name, connections,
				to(func(f figure) float64 { return f.perSecond }), to(func(f figure) float64 { return f.cpu }))
		}
	}
}
