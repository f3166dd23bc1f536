package store

import (
	"errors"
	"time"
)

const (
	firstHeal = time.Second
	lastHeal  = 30 * time.Second
	// maxGivenUp bounds the memory of databases that were given up: they keep their
	// memtables, since what hangs in them may use them.
	maxGivenUp = 32
)

// fail gives up an instance and begins to make the next one.
func (s *Store) fail(in *instance) {
	in.guard.shut()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.in != in || s.closed {
		return
	}
	s.in = nil
	go s.heal(in)
}

// heal opens the store again once the file system has room for it. Neither a database
// that cannot be closed nor a call that hangs in it is waited for: it is enough that
// nothing of theirs can reach the disk.
func (s *Store) heal(old *instance) {
	s.givenUp.Add(1)
	for pause := firstHeal; ; pause = min(2*pause, lastHeal) {
		select {
		case <-s.o.after(pause):
		case <-s.stop:
			return
		}
		if !old.guard.quiet() || s.room.refuses(true) || s.Healthy() != nil {
			continue
		}
		old.guard.unlock()
		in, err := s.open()
		if err != nil {
			if old = in; errors.Is(err, errFatal) {
				s.givenUp.Add(1)
			}
			continue
		}
		s.tellChanged() // while nobody is answered
		if s.adopt(in) {
			s.reopened.Add(1)
		} else {
			_ = in.end()
		}
		return
	}
}

// adopt makes an instance the store's, unless the store was closed.
func (s *Store) adopt(in *instance) bool {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return false
	}
	s.in = in
	s.mu.Unlock()
	select {
	case <-in.guard.closed: // it failed before it was the store's
		s.fail(in)
	default:
	}
	return true
}

// Healthy reports why only a restart helps; nil when the store works or may heal.
func (s *Store) Healthy() error {
	if s.givenUp.Load() >= maxGivenUp {
		return errOften
	}
	return nil
}
