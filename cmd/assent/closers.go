package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

const (
	// closeLimit is what closing may take of a node that served nobody.
	closeLimit = 5 * time.Second
	// closeLeast is for what comes last: a healthy disk needs less.
	closeLeast = 500 * time.Millisecond
)

// closers closes what is open, in reverse, within a bound: what was acknowledged is on
// disk by then, and a disk that hangs must not keep the process from ending.
type closers struct {
	open []named
	by   time.Time // zero: closeLimit from Close on
}

type named struct {
	io.Closer
	name string
}

func (c *closers) add(name string, open io.Closer) { c.open = append(c.open, named{open, name}) }

// Close implements io.Closer.
func (c *closers) Close() error {
	if c.by.IsZero() {
		c.by = time.Now().Add(closeLimit)
	}
	var errs []error
	for _, open := range slices.Backward(c.open) {
		if err := within(max(time.Until(c.by), closeLeast), open.Close); err != nil {
			errs = append(errs, fmt.Errorf("closing %s: %w", open.name, err))
		}
	}
	return errors.Join(errs...)
}

// within runs f for so long and then leaves it to itself.
func within(d time.Duration, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	left := time.NewTimer(d)
	defer left.Stop()
	select {
	case err := <-done:
		return err
	case <-left.C:
		return errors.New("not done in time")
	}
}
