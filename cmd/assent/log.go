package main

import (
	"io"
	"log/slog"
	"sync"
	"time"
)

const (
	logLines = 256         // that may wait for a reader
	logFlush = time.Second // that they have when the process ends
)

// A logWriter hands lines to a reader that may be gone or stand still: a line for
// which there is no room is lost, and nobody waits.
type logWriter struct {
	mu     sync.Mutex
	lines  chan []byte
	closed bool
	done   chan struct{} // closed: all is written
}

// newLog returns a log that never holds up who writes to it, and its writer, which
// is to be flushed in the end.
func newLog(out io.Writer) (*slog.Logger, *logWriter) {
	w := &logWriter{lines: make(chan []byte, logLines), done: make(chan struct{})}
	go func() {
		defer close(w.done)
		for line := range w.lines {
			_, _ = out.Write(line)
		}
	}()
	return slog.New(slog.NewTextHandler(w, nil)), w
}

// Write implements io.Writer. It never fails.
func (w *logWriter) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return len(line), nil
	}
	select {
	case w.lines <- append([]byte(nil), line...):
	default:
	}
	return len(line), nil
}

// flush waits a moment for what is not written yet; later lines are lost.
func (w *logWriter) flush() {
	w.mu.Lock()
	if !w.closed {
		w.closed = true
		close(w.lines)
	}
	w.mu.Unlock()
	select {
	case <-w.done:
	case <-time.After(logFlush):
	}
}
