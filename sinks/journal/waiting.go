package journal

import (
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A source is what waits of one source's events.
type source struct {
	name  string
	bytes atomic.Int64 // of bodies that are not settled
}

// sources are all that sent anything. Safe for concurrent use.
type sources struct {
	known   atomic.Pointer[map[string]*source]
	opening sync.Mutex // held to add one
}

func (s *sources) open() { s.known.Store(&map[string]*source{}) }

// all returns every source by its name. The map does not change.
func (s *sources) all() map[string]*source { return *s.known.Load() }

// of returns a source, making it known.
func (s *sources) of(name string) *source {
	if found := s.all()[name]; found != nil {
		return found
	}
	return s.add(name)
}

// ofBytes is of for a name that is still bytes; a known one costs no string.
func (s *sources) ofBytes(name []byte) *source {
	if found := s.all()[string(name)]; found != nil {
		return found
	}
	return s.add(string(name))
}

func (s *sources) add(name string) *source {
	s.opening.Lock()
	defer s.opening.Unlock()
	old := s.all()
	if found := old[name]; found != nil {
		return found
	}
	known := maps.Clone(old)
	added := &source{name: strings.Clone(name)}
	known[added.name] = added
	s.known.Store(&known)
	return added
}

// tickets are the commits that wait for delivery.
type tickets struct {
	mu   sync.Mutex
	last uint64
	by   map[uint64]*waiter
	free []*waiter
}

type waiter struct {
	left  int           // records that are not settled; guarded by tickets.mu
	done  chan struct{} // holds a token once none is left
	timer *time.Timer
}

func (t *tickets) next() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last++
	return t.last
}

// open begins to wait for so many records.
func (t *tickets) open(ticket uint64, records int) *waiter {
	t.mu.Lock()
	defer t.mu.Unlock()
	var w *waiter
	if n := len(t.free); n > 0 {
		w, t.free = t.free[n-1], t.free[:n-1]
	} else {
		w = &waiter{done: make(chan struct{}, 1), timer: time.NewTimer(time.Hour)}
		w.timer.Stop()
	}
	w.left = records
	t.by[ticket] = w
	return w
}

// any reports whether anybody waits.
func (t *tickets) any() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.by) > 0
}

func (t *tickets) close(ticket uint64, w *waiter) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.by, ticket)
	select {
	case <-w.done:
	default:
	}
	t.free = append(t.free, w)
}

// settled counts one record of a ticket; nobody may be waiting any more.
func (t *tickets) settled(ticket uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := t.by[ticket]
	if w == nil {
		return
	}
	if w.left--; w.left == 0 {
		w.done <- struct{}{}
	}
}
