package main

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

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

// reload puts the configured policy in force, whole or not at all: while it fails, the
// last good one judges. The Registry follows the collector, which can refuse.
func (p *program) reload() (err error) {
	defer func() {
		if wrong := recover(); wrong != nil {
			err = fmt.Errorf("BUG: putting a policy in force: %v", wrong)
		}
	}()
	next, err := p.policies.load(p.cfg.Policy)
	if err != nil {
		return err
	}
	if err := p.edge.SetPolicy(next); err != nil {
		return err
	}
	p.registry.Use(next.Purposes())
	return nil
}

func logReload(log *slog.Logger, what string, err error) {
	if err != nil {
		log.Error(what+" not reloaded; the last good one stays in force", "error", err)
		return
	}
	log.Info(what + " reloaded")
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
