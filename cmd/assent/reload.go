package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// policyPoll is how often the policy file's state is looked at.
const policyPoll = 2 * time.Second

// watchPolicy calls load when the process gets SIGHUP or the file changes, and
// report with the outcome. A policy that does not compile leaves the last one in force.
func watchPolicy(ctx context.Context, path string, load func() error, report func(error)) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	tick := time.NewTicker(policyPoll)
	defer tick.Stop()
	last := fileState(path)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
		case <-tick.C:
			if path == "" || fileState(path) == last {
				continue
			}
		}
		last = fileState(path)
		report(load())
	}
}

type state struct {
	size    int64
	changed time.Time
	inode   uint64
}

func fileState(path string) (s state) {
	info, err := os.Stat(path)
	if err != nil {
		return s
	}
	s.size, s.changed = info.Size(), info.ModTime()
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		s.inode = sys.Ino
	}
	return s
}
