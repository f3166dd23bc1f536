package main

import (
	"context"
	"log/slog"
	"time"

	"assent/sinks"
)

// statusEvery is how often the parts are asked how they are.
const statusEvery = time.Second

// A part is something that can fail and come right while the node runs.
type part struct {
	name   string
	ready  func() error
	effect string // of its failure, for the log
	failed bool
	reason sinks.Reason
}

// logStatus logs each change of a part's state until ctx ends: a night's story in a few
// lines, however often a part is asked.
func logStatus(ctx context.Context, log *slog.Logger, parts ...*part) {
	tick := time.NewTicker(statusEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		for _, p := range parts {
			err := p.ready()
			reason := sinks.ReasonOf(err)
			switch {
			case err != nil && (!p.failed || reason != p.reason):
				log.Error(p.name+" fails: "+p.effect, "error", err)
			case err == nil && p.failed:
				log.Info(p.name + " works again")
			}
			p.failed, p.reason = err != nil, reason
		}
	}
}

// parts are what can fail while the node runs.
func (p *program) parts() []*part {
	all := []*part{
		{name: "sink", ready: p.sink.Ready, effect: "events are answered 503"},
		{name: "consent store", ready: p.choices.Ready, effect: "choices are answered 503"},
	}
	if p.downstream != nil {
		all = append(all, &part{name: "kafka", ready: p.downstream.Ready, effect: "events wait in the journal"})
	}
	return all
}
