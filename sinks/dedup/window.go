package dedup

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"

	"assent/disk"
	"assent/sinks"
)

// A Window is the IDs of the last events that were stored and the claims on
// those that are about to be. Safe for concurrent use.
type Window struct {
	mu      sync.Mutex
	known   *set
	claimed map[sinks.ID]*outcome // nil until somebody waits for it

	files *files
	lock  io.Closer
}

var _ sinks.Deduper = (*Window)(nil)

// outcome is what a claim comes to, for those that wait for it.
type outcome struct {
	done   chan struct{}
	stored bool // written before done is closed
}

// Open locks o.Dir and reads back what was kept there. Damage is counted and
// passed over; a directory that another process has open is an error.
func Open(o Options) (*Window, error) {
	o.EnsureDefaults()
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("reading dedup options: %w", err)
	}
	if err := disk.MakeDir(o.FS, o.Dir); err != nil {
		return nil, fmt.Errorf("creating dedup directory: %w", err)
	}
	lock, err := o.FS.Lock(filepath.Join(o.Dir, ".lock"))
	if err != nil {
		return nil, fmt.Errorf("locking dedup directory %q (is another process using it?): %w", o.Dir, err)
	}
	w := &Window{known: newSet(o.Count, o.Sources), claimed: map[sinks.ID]*outcome{}, lock: lock}
	w.files, err = openFiles(o, w.known)
	if err != nil {
		lock.Close()
		return nil, err
	}
	w.files.known = w.inOrder
	return w, nil
}

// Claim implements sinks.Deduper.
func (w *Window) Claim(ids []sinks.ID, claims []sinks.Claim) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, id := range ids {
		claims[i] = w.claim(id)
	}
}

func (w *Window) claim(id sinks.ID) sinks.Claim {
	if id == (sinks.ID{}) {
		return sinks.First
	}
	if w.known.has(id) {
		return sinks.Known
	}
	if _, taken := w.claimed[id]; taken {
		return sinks.Pending
	}
	w.claimed[id] = nil
	return sinks.First
}

// Finish implements sinks.Deduper.
func (w *Window) Finish(ids []sinks.ID, stored bool) {
	if len(ids) == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range ids {
		o := w.claimed[id]
		delete(w.claimed, id)
		if stored {
			w.put(id)
		}
		if o != nil {
			o.stored = stored
			close(o.done)
		}
	}
}

// Wait implements sinks.Deduper.
func (w *Window) Wait(id sinks.ID) bool {
	w.mu.Lock()
	o, taken := w.claimed[id]
	if !taken {
		defer w.mu.Unlock()
		return w.known.has(id)
	}
	if o == nil {
		o = &outcome{done: make(chan struct{})}
		w.claimed[id] = o
	}
	w.mu.Unlock()
	<-o.done
	return o.stored
}

// Add remembers an event that is stored already: one that a journal found on
// opening.
func (w *Window) Add(id sinks.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.put(id)
}

func (w *Window) put(id sinks.ID) {
	if w.known.put(id) {
		evictions.Inc()
	}
}

func (w *Window) inOrder() []sinks.ID {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.known.inOrder()
}

// Keep makes IDs durable: they survive kill -9 and power loss when it returns
// nil. A journal calls it before it lets go of the entries that hold them.
func (w *Window) Keep(ids []sinks.ID) error {
	return w.files.append(ids, true)
}

// Note implements sinks.Deduper. A failure to write is counted.
func (w *Window) Note(ids []sinks.ID) {
	// First in memory: a file that begins with the window holds them too.
	w.mu.Lock()
	for _, id := range ids {
		w.put(id)
	}
	w.mu.Unlock()
	_ = w.files.append(ids, false)
}

// Close makes everything noted durable and releases the directory.
func (w *Window) Close() error {
	return errors.Join(w.files.close(), w.lock.Close())
}
