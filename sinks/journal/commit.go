package journal

import (
	"context"
	"errors"
	"sync"
	"time"

	"assent/disk"
	"assent/sinks"
	"assent/wal"
)

// An encoding is a batch on its way into the log; pooled.
type encoding struct {
	buf     []byte
	ends    []int // of the entries in buf
	entries [][]byte
	tallies []tally
	records int
	bodies  int64
	rows    int            // bad rows among the records
	bad     int64          // and the bytes of their bodies
	kept    []sinks.Record // an event's records without the bad rows there is no room for
	scratch []byte
}

// A tally is what an event adds to its source.
type tally struct {
	source *source
	bytes  int64
}

var encodings = sync.Pool{New: func() any { return new(encoding) }}

// Commit implements sinks.Committer: it returns when the batch's entries are
// durable, and, if its promise is sinks.Delivered, when all its records are
// settled downstream as well. That wait ends early with ReasonTimeout, and the
// batch stays journaled.
//
// Bad rows that find a sixteenth of the journal full of bad rows are counted and
// dropped, so that a flood of them cannot shut out events.
func (j *Journal) Commit(ctx context.Context, b *sinks.Batch) error {
	if err := ctx.Err(); err != nil {
		return meter.Failed(sinks.ReasonCanceled, err)
	}
	first := ""
	if len(b.Events) > 0 {
		first = b.Events[0].Judged.Source
	}
	if e := j.refusal(first); e != nil {
		return meter.Failed(e.Reason, e.Err)
	}
	c := encodings.Get().(*encoding)
	defer encodings.Put(c)
	var ticket uint64
	if b.Promise == sinks.Delivered {
		ticket = j.tickets.next()
	}
	if err := j.encode(c, b, ticket); err != nil {
		return err
	}
	if len(c.entries) == 0 {
		return nil
	}
	var w *waiter
	if ticket != 0 {
		w = j.tickets.open(ticket, c.records)
		defer j.tickets.close(ticket, w)
	}
	if err := j.log.Append(c.entries...); err != nil {
		return meter.Failed(reason(err), err)
	}
	j.account(c)
	if w == nil {
		return nil
	}
	return j.await(ctx, w)
}

// encode renders a batch as entries: one per event, more where an event has very
// many records.
func (j *Journal) encode(c *encoding, b *sinks.Batch, ticket uint64) error {
	c.buf, c.ends, c.entries, c.tallies = c.buf[:0], c.ends[:0], c.entries[:0], c.tallies[:0]
	c.records, c.bodies, c.rows, c.bad = 0, 0, 0, 0
	now := j.now()
	rest := b.Records
	for i := range b.Events {
		ev := &b.Events[i]
		if ev.Records < 0 || ev.Records > len(rest) {
			return meter.Failed(sinks.ReasonRefused, errBatch)
		}
		if err := j.encodeEvent(c, ev, rest[:ev.Records], now, ticket); err != nil {
			return err
		}
		rest = rest[ev.Records:]
	}
	if err := j.encodeEvent(c, &nobodys, rest, now, ticket); err != nil {
		return err
	}
	from := 0
	for _, end := range c.ends {
		c.entries = append(c.entries, c.buf[from:end:end])
		from = end
	}
	return nil
}

var (
	nobodys  sinks.Event // owns the records that no event owns
	errBatch = errors.New("a batch whose events own more records than it has")
)

func (j *Journal) encodeEvent(c *encoding, ev *sinks.Event, records []sinks.Record, now int64, ticket uint64) error {
	records, err := j.admissible(c, records)
	if err != nil {
		return err
	}
	at := ev.Judged.At
	if at == 0 {
		at = now
	}
	t := tally{source: j.source(ev.Judged.Source)}
	for more := false; len(records) > 0; more = true {
		n := min(len(records), maxRecords)
		var bodies int64
		c.buf, bodies = appendEvent(c.buf, ev, records[:n], at, ticket, more)
		c.ends = append(c.ends, len(c.buf))
		t.bytes += bodies
		c.records += n
		records = records[n:]
	}
	if t.bytes > 0 {
		c.tallies = append(c.tallies, t)
		c.bodies += t.bytes
	}
	return nil
}

// admissible checks topics and leaves out the bad rows there is no room for.
func (j *Journal) admissible(c *encoding, records []sinks.Record) ([]sinks.Record, error) {
	bad := false
	for i := range records {
		if err := sinks.ValidTopic(records[i].Topic); err != nil {
			return nil, meter.Failed(sinks.ReasonBadTopic, err)
		}
		bad = bad || records[i].Topic == j.opt.BadTopic
	}
	if !bad {
		return records, nil
	}
	c.kept = c.kept[:0]
	for i := range records {
		if records[i].Topic == j.opt.BadTopic {
			c.scratch = sinks.AppendBody(c.scratch[:0], &records[i])
			size := int64(len(c.scratch))
			if j.bad.Load()+c.bad+size > j.room/badShare {
				j.m.dropped.Inc()
				continue
			}
			c.bad += size
			c.rows++
		}
		c.kept = append(c.kept, records[i])
	}
	return c.kept, nil
}

// account adds what a batch has put into the log.
func (j *Journal) account(c *encoding) {
	for _, t := range c.tallies {
		t.source.bytes.Add(t.bytes)
	}
	j.bad.Add(c.bad)
	j.records.Add(int64(c.records))
	j.used.Add(int64(len(c.buf)))
	j.free.Add(-int64(len(c.buf))) // until it is measured: a burst must not take the reserve
	meter.Committed(false, c.records-c.rows, int(c.bodies-c.bad))
	meter.Committed(true, c.rows, int(c.bad))
}

// reason classifies what the log answers.
func reason(err error) sinks.Reason {
	switch {
	case disk.IsFull(err):
		return sinks.ReasonDiskFull
	case errors.Is(err, wal.ErrFull), errors.Is(err, wal.ErrOverloaded):
		return sinks.ReasonOverloaded
	case errors.Is(err, wal.ErrClosed):
		return sinks.ReasonClosed
	default:
		return sinks.ReasonIO
	}
}

// await returns when a waiter's records are settled.
func (j *Journal) await(ctx context.Context, w *waiter) error {
	w.timer.Reset(j.opt.DeliverTimeout)
	defer w.timer.Stop()
	select {
	case <-w.done:
		return nil
	case <-w.timer.C:
		return meter.Failed(sinks.ReasonTimeout, nil)
	case <-ctx.Done():
		return meter.Failed(sinks.ReasonCanceled, ctx.Err())
	case <-j.halted:
		return meter.Failed(sinks.ReasonClosed, nil)
	}
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
