package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"assent/sinks/journal"
)

const (
	// drainShare is the part of limits.shutdown that is kept for closing in order.
	drainShare = 4
	// drainPatience is how long a shutdown waits for a Kafka that takes nothing: a
	// partition's leader moves in less.
	drainPatience = 3 * time.Second
	// drainNews is how often a drain says how far it is, where lines are kept; on a
	// terminal it does so in place.
	drainNews     = 5 * time.Second
	drainTerminal = 250 * time.Millisecond
)

// drainEdge stops accepting, answers all in flight and forwards what it can of what waits.
func (p *program) drainEdge(ctx, hurry context.Context) error {
	j, journaled := p.sink.(*journal.Journal)
	if !journaled {
		return p.edge.Shutdown(ctx)
	}
	before := j.Progress()
	j.Hurry() // also while somebody takes his time to send a request
	err := p.edge.Shutdown(ctx)
	p.forwardRest(ctx, hurry, j, before)
	return err
}

// forwardRest sends what waits for Kafka, now that nothing more comes in: this node
// may have no next start. It ends early when Kafka takes nothing, or hurry ends, and
// logs what has become of records since before.
func (p *program) forwardRest(ctx, hurry context.Context, j *journal.Journal, before journal.Progress) {
	if end, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, end.Add(-p.cfg.Limits.Shutdown/drainShare))
		defer cancel()
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(hurry, cancel)()
	empty := j.Drain(ctx, drainPatience)
	after := j.Progress()
	sent, withheld := after.Sent-before.Sent, after.Withheld-before.Withheld
	if empty {
		p.log.Info("nothing waits for Kafka", "sent", sent, "withheld", withheld, "left", 0)
		return
	}
	p.log.Warn("some records wait in the journal for the next start, or for assent journal drain",
		"sent", sent, "withheld", withheld, "left", after.Left)
}

func drainCommand() *cobra.Command {
	var path string
	var flags config
	var asJSON bool
	var limit time.Duration
	c := &cobra.Command{
		Use:   "drain",
		Short: "Send what waits to Kafka, and exit",
		Long: `Sends what waits in the journal of a node that does not run, judged again as serve does, and exits 0 when nothing
waits any more. It waits for a Kafka that is away until --timeout; when that is over, or a signal came, it exits 1 and
says what is left. Refused are the records
that Kafka will never have: each has become a bad row.`,
		Example: "  assent journal drain --kafka localhost:9092\n  assent journal drain -c assent.yaml --timeout 10m --json",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := loadConfig(path, &flags)
			if err != nil {
				return err
			}
			if limit < 0 {
				return errMisuse{errors.New("--timeout is negative")}
			}
			p, err := drain(catchSignals(), cfg, limit)
			if err != nil {
				return err
			}
			if err := printDrained(c.OutOrStdout(), p, asJSON); err != nil {
				return err
			}
			if p.Left > 0 {
				return errNegative
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringVarP(&path, "config", "c", "", "config `file`")
	settingFlags(f, &flags, "data", "policy", "kafka")
	f.DurationVar(&limit, "timeout", 0, "give up after this long (default: never)")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// drain opens what stands behind the listeners and sends what waits, for so long at
// most; 0: until it is sent.
func drain(asked osSignals, cfg *config, limit time.Duration) (done journal.Progress, err error) {
	if len(cfg.Kafka.Brokers) == 0 {
		return done, errors.New("no Kafka to drain to: name kafka.brokers, or --kafka")
	}
	if missing(cfg.Journal.Dir) {
		return done, fmt.Errorf("no journal in %s", cfg.Journal.Dir)
	}
	log, lines := newLog(os.Stderr)
	defer lines.flush()
	p := &program{cfg: cfg, log: log}
	if err := p.open(p.openData, p.openKeys, p.openPolicies, p.openConsent, p.openDedup, p.openSink); err != nil {
		return done, err
	}
	j := p.sink.(*journal.Journal)
	ctx, cancel := asked.end, context.CancelFunc(func() {})
	if limit > 0 {
		ctx, cancel = context.WithTimeout(ctx, limit)
	}
	defer cancel()
	stop := p.showProgress(j, lines, isTerminal(os.Stderr))
	empty := j.Drain(ctx, 0)
	stop()
	if err := p.close(); err != nil {
		return done, err
	}
	done = j.Progress()
	done.Left = 0
	if !empty {
		// The journal itself counts before it has read all of what it was left.
		totals, err := journal.Inspect(cfg.Journal.Dir, func(*journal.Item) error { return nil })
		if err != nil {
			return done, err
		}
		done.Left = int64(totals.Waiting)
	}
	return done, nil
}

// showProgress writes how far it is, and why it goes no further, until it is stopped.
// On a terminal it does so in place.
func (p *program) showProgress(j *journal.Journal, out io.Writer, terminal bool) (stop func()) {
	every, before, after := drainNews, "", "\n"
	if terminal {
		every, before, after = drainTerminal, "\r\x1b[K", ""
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-quit:
				if terminal {
					fmt.Fprint(out, before)
				}
				return
			}
			now, why := j.Progress(), ""
			if err := p.downstream.Ready(); err != nil {
				why = fmt.Sprintf(" (kafka: %v)", err)
			}
			fmt.Fprintf(out, "%sassent: journal drain: sent %d, withheld %d, refused %d, left %d%s%s", before, now.Sent, now.Withheld, now.Refused, now.Left, why, after)
		}
	}()
	return func() { close(quit); <-done }
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func printDrained(out io.Writer, p journal.Progress, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(out).Encode(map[string]int64{"sent": p.Sent, "withheld": p.Withheld, "refused": p.Refused, "left": p.Left})
	}
	_, err := fmt.Fprintf(out, "sent %d, withheld %d, refused %d, left %d\n", p.Sent, p.Withheld, p.Refused, p.Left)
	return err
}
