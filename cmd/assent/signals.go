package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// osSignals are what a process that runs for long hears from outside.
type osSignals struct {
	end    context.Context  // ends with the first SIGTERM or SIGINT
	hurry  context.Context  // ends with the second
	reload <-chan os.Signal // SIGHUP, for the policy
	reopen <-chan os.Signal // and for the event files
}

// catchSignals takes them from here on until the process ends, so that none kills it
// while it starts or stops. A reader of its output who goes away takes a line with
// him, not the process: without a handler the first write after that would raise
// SIGPIPE (package os/signal).
func catchSignals() osSignals {
	signal.Ignore(syscall.SIGPIPE)
	reload, reopen := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	signal.Notify(reopen, syscall.SIGHUP)
	term := make(chan os.Signal, 2)
	signal.Notify(term, syscall.SIGTERM, syscall.SIGINT)
	end, ended := context.WithCancel(context.Background())
	hurry, hurried := context.WithCancel(context.Background())
	go func() {
		<-term
		ended()
		<-term
		hurried()
	}()
	return osSignals{end, hurry, reload, reopen}
}
