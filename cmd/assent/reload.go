package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"time"

	"assent/collector"
	"assent/consent"
	"assent/sinks"
	"assent/sinks/file"
)

// policyPoll is how often the policy file's state is looked at.
const policyPoll = 2 * time.Second

// watchPolicy calls load when hup brings a signal, or the file has changed and
// then stayed the same from one look to the next: a file that is still being
// written can be a valid policy that allows more. It calls report with the outcome.
// A policy that does not compile leaves the last one in force.
func watchPolicy(ctx context.Context, hup <-chan os.Signal, path string, load func() error, report func(error)) {
	tick := time.NewTicker(policyPoll)
	defer tick.Stop()
	last := fileState(path)
	seen := last
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
		case <-tick.C:
			now := fileState(path)
			if path == "" || sameState(now, last) || !sameState(now, seen) {
				seen = now
				continue
			}
		}
		last = fileState(path)
		seen = last
		report(load())
	}
}

// reload puts the policy at path in force, whole or not at all: while it fails, the
// last good one judges. The Registry follows the collector, which can refuse.
func reload(shelf *policies, path string, edge *collector.Collector, registry *consent.Registry) (err error) {
	defer func() {
		if wrong := recover(); wrong != nil {
			err = fmt.Errorf("BUG: putting a policy in force: %v", wrong)
		}
	}()
	next, err := shelf.load(path)
	if err != nil {
		return err
	}
	if err := edge.SetPolicy(next); err != nil {
		return err
	}
	registry.Use(next.Purposes())
	return nil
}

// watchFiles begins new event files when hup brings a signal, as tools that rotate
// files expect.
func watchFiles(ctx context.Context, hup <-chan os.Signal, sink sinks.Committer) {
	files, ok := sink.(*file.Sink)
	for ok {
		select {
		case <-ctx.Done():
			return
		case <-hup:
			files.Reopen()
		}
	}
}

// fileState is the file's identity, size and time; nil: it cannot be seen.
func fileState(path string) fs.FileInfo {
	info, err := os.Stat(path)
	if err != nil {
		return nil
	}
	return info
}

func sameState(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
