package wal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"assent/disk"
)

// patience is how long a disk that cannot be read is asked again before the
// region counts as damaged.
const patience = time.Minute

// An Entry is one entry of the log. It comes with one reference to its block,
// which the caller gives back with Block.Release.
type Entry struct {
	Segment uint64
	Index   uint32 // its own number in its segment, from 0; damage elsewhere does not shift it
	Payload []byte // valid until the block is released, and not to be written to
	Block   *Block
}

// A Cursor reads the log in order, never past what is durable. It belongs to one
// goroutine; there may be several cursors.
type Cursor struct {
	log   *Log
	woken chan struct{} // capacity 1: the log has grown
	at    uint64        // the lowest segment it may read next
	seg   *segment      // nil between segments
	read  reader
	since time.Time // of the first of consecutive failures
	rough bool      // what cannot be read is damage
}

// Cursor returns a cursor that begins at the start of a segment, or of the oldest
// one after it when it is released.
func (l *Log) Cursor(segment uint64) *Cursor {
	c := &Cursor{log: l, at: segment, woken: make(chan struct{}, 1)}
	l.tables.Lock()
	defer l.tables.Unlock()
	cursors := append(slices.Clone(*l.cursors.Load()), c)
	l.cursors.Store(&cursors)
	return c
}

// Close lets go of what the cursor holds. Entries it returned stay valid.
func (c *Cursor) Close() {
	c.leave()
	l := c.log
	l.tables.Lock()
	defer l.tables.Unlock()
	cursors := slices.DeleteFunc(slices.Clone(*l.cursors.Load()), func(o *Cursor) bool { return o == c })
	l.cursors.Store(&cursors)
}

func (c *Cursor) wake() {
	select {
	case c.woken <- struct{}{}:
	default:
	}
}

// Next returns the next entry, waiting for it at the log's end. Damage is
// skipped. It returns io.EOF once the log is closed, whether or not there is more
// to read, and ctx's error once ctx has ended. Any other error is the disk's:
// calling Next again tries again, and what cannot be read for a minute counts as
// damaged.
func (c *Cursor) Next(ctx context.Context) (Entry, error) {
	for {
		if err := ctx.Err(); err != nil {
			return Entry{}, err
		}
		e, ok, err := c.TryNext()
		if ok || err != nil {
			return e, err
		}
		select {
		case <-c.woken:
		case <-ctx.Done():
		case <-c.log.done:
		}
	}
}

// TryNext is Next without waiting: it reports whether there was an entry.
func (c *Cursor) TryNext() (Entry, bool, error) {
	for {
		select {
		case <-c.log.done:
			return Entry{}, false, io.EOF
		default:
		}
		if c.seg == nil {
			if ok, err := c.enter(); !ok {
				return Entry{}, false, err
			}
		}
		s := c.seg
		final := s.final.Load() // before end, which does not grow once it is
		c.read.end = s.end.Load()
		off := c.read.off
		f, payload, gap, err := c.read.next()
		switch {
		case payload != nil:
			c.since, c.read.rough = time.Time{}, false
			c.read.block.Retain()
			return Entry{Segment: s.number, Index: f.index, Payload: payload, Block: c.read.block}, true, nil
		case err == io.EOF && !final:
			return Entry{}, false, nil
		case err == io.EOF, s.retired.Load():
			c.leave()
		case err != nil:
			if err := c.trouble(err); err != nil {
				return Entry{}, false, err
			}
			c.read.rough, c.rough = true, false
		default:
			c.log.damaged(s, off, gap)
		}
	}
}

// enter opens the next segment. It reports whether there is one.
func (c *Cursor) enter() (ok bool, err error) {
	l := c.log
	for {
		segments := *l.segments.Load()
		i := slices.IndexFunc(segments, func(s *segment) bool { return s.number >= c.at })
		if i < 0 {
			return false, nil
		}
		s := segments[i]
		file, err := l.opt.FS.OpenRead(s.path)
		if err == nil {
			r := newReader(file, s)
			r.rough = c.rough
			if err = l.scan(s, r); err == nil {
				c.open(s, file)
				return true, nil
			}
			file.Close()
		}
		if s.retired.Load() {
			continue
		}
		missing := errors.Is(err, fs.ErrNotExist)
		if !missing && !c.rough {
			if err := c.trouble(err); err != nil {
				return false, err
			}
			continue
		}
		c.rough, c.at = false, s.number+1
		l.damaged(s, 0, max(s.size, s.end.Load()))
	}
}

// open begins to read a segment whose end is known.
func (c *Cursor) open(s *segment, file disk.File) {
	c.seg, c.at, c.read = s, s.number, newReader(file, s)
	c.rough = false
	if s.headless && s.end.Load() > headerBytes {
		c.log.damaged(s, 0, headerBytes)
	}
}

// leave ends reading the segment.
func (c *Cursor) leave() {
	if c.seg != nil {
		c.read.close()
		c.read.file.Close()
		c.seg, c.at = nil, c.at+1
	}
}

// trouble returns the error to report for a failure; nil when it has lasted too long,
// so that what fails is to be passed over.
func (c *Cursor) trouble(err error) error {
	now := c.log.opt.Now()
	if c.since.IsZero() {
		c.since = now
	}
	if now.Sub(c.since) < patience {
		return fmt.Errorf("reading log %q: %w", c.log.opt.Dir, err)
	}
	c.since, c.rough = time.Time{}, true
	return nil
}
