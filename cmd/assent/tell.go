package main

import (
	"context"
	"log/slog"
	"time"

	"assent/sinks"
)

// tellEvery is how often the parts are asked how they are.
const tellEvery = time.Second

// A part is something that can fail and come right while the node runs.
type part struct {
	name   string
	ready  func() error
	effect string // of its failure, for the log
	failed bool
	reason sinks.Reason
}

// tell logs each change of a part's state until ctx ends: a night's story in a few
// lines, however often a part is asked.
func tell(ctx context.Context, log *slog.Logger, parts ...*part) {
	tick := time.NewTicker(tellEvery)
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
