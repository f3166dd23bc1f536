// Command compare measures what a record costs the process that produces it:
// Assent's forwarder, driven as the journal drives it, against franz-go with
// idempotence and acks of all replicas, both to the same real Kafka, with the
// same records, codec and size of batch.
//
// It is a module of its own, so that franz-go is nobody else's dependency.
//
//	cd test/compare && go run . [-rounds 5] [-records 500000] [-batch 500] [-codecs zstd,none]
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"assent/test/load/rig"
)

// job is one run of one producer, in a process of its own.
type job struct {
	Addr, Codec, Topic string
	Records, Batch     int
}

// cost is what the run took. Batches are those sent, Sent their bytes after
// compression, where the producer tells.
type cost struct {
	CPU, Took     time.Duration
	Batches, Sent int64
}

var producers = map[string]func(j job, records []record) (cost, error){
	"assent": assent, "franz-go": franz, "franz-go at our level": franzFastest,
}

func main() {
	if len(os.Args) == 3 && producers[os.Args[1]] != nil {
		if err := child(os.Args[1], os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, "compare:", err)
			os.Exit(1)
		}
		return
	}
	rounds := flag.Int("rounds", 5, "rounds; the producers take turns")
	records := flag.Int("records", 500_000, "records a run")
	batch := flag.Int("batch", 500, "records a batch")
	codecs := flag.String("codecs", "zstd,none", "codecs to compare")
	rig.Main("compare", func(r *rig.Rig) error {
		return run(r.Broker().Addr, *rounds, job{Records: *records, Batch: *batch}, strings.Split(*codecs, ","))
	})
}

// child makes one run and prints its cost.
func child(name, raw string) error {
	var j job
	if err := json.Unmarshal([]byte(raw), &j); err != nil {
		return err
	}
	c, err := producers[name](j, pool())
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(c)
}

// measured runs f and fills in what it took this process.
func measured(c *cost, f func() error) error {
	var before, after syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &before); err != nil {
		return err
	}
	start := time.Now()
	if err := f(); err != nil {
		return err
	}
	c.Took = time.Since(start)
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &after); err != nil {
		return err
	}
	c.CPU = time.Duration(after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano())
	return nil
}

func run(addr string, rounds int, j job, codecs []string) error {
	fmt.Printf("%d records of %d bytes of key, value and headers a run, %d a batch, 6 partitions.\n\n", j.Records, recordSize(pool()), j.Batch)
	fmt.Println("| codec | producer | CPU µs a record (min–max) | Assent's of that (min–max) | records/s | records a batch | bytes a record sent |\n|---|---|---|---|---|---|---|")
	for _, codec := range codecs {
		names := []string{"assent", "franz-go"}
		if codec == "zstd" {
			names = append(names, "franz-go at our level")
		}
		per, speed, ratios := map[string][]float64{}, map[string][]float64{}, map[string][]float64{}
		last := map[string]cost{}
		for round := range rounds + 1 {
			var ours float64
			for i, name := range names {
				rig.Progress("%s, round %d/%d: %s", codec, round, rounds, name)
				j.Addr, j.Codec, j.Topic = addr, codec, fmt.Sprintf("%s-%d-%d", codec, round, i)
				c, err := produce(name, j)
				if err != nil {
					return err
				}
				if round == 0 {
					continue // warms up the broker
				}
				cpu := float64(c.CPU.Nanoseconds()) / 1e3 / float64(j.Records)
				if i == 0 {
					ours = cpu
				}
				per[name] = append(per[name], cpu)
				ratios[name] = append(ratios[name], ours/cpu)
				speed[name] = append(speed[name], float64(j.Records)/c.Took.Seconds())
				last[name] = c
			}
		}
		rig.Progress("")
		for _, name := range names {
			c := last[name]
			fmt.Printf("| %s | %s | %s | %s | %.0f | %.0f | %.0f |\n", codec, name, rig.Spread(per[name]), rig.Spread(ratios[name]), rig.Median(speed[name]),
				float64(j.Records)/float64(max(c.Batches, 1)), float64(c.Sent)/float64(j.Records))
		}
	}
	return nil
}

// produce makes one run into a topic of its own, which then has to hold all of it.
func produce(name string, j job) (c cost, err error) {
	if err := rig.CreateTopic(j.Addr, j.Topic); err != nil {
		return c, err
	}
	raw, err := json.Marshal(j)
	if err != nil {
		return c, err
	}
	self, err := os.Executable()
	if err != nil {
		return c, err
	}
	cmd := exec.Command(self, name, string(raw))
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.Output()
	if err != nil {
		return c, fmt.Errorf("%s: %w", name, err)
	}
	stored, err := rig.Stored(j.Addr, j.Topic)
	if err == nil && stored != int64(j.Records) {
		err = fmt.Errorf("%s: the topic holds %d of %d records", name, stored, j.Records)
	}
	return c, errors.Join(err, json.Unmarshal(out, &c))
}
