package journal

import (
	"context"
	"errors"
	"sync"

	"assent/sinks"
)

var meter = sinks.NewMeter("journal")

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
		first = b.Events[0].Provenance.Source
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
	at := ev.Provenance.At
	if at == 0 {
		at = now
	}
	t := tally{source: j.sources.of(ev.Provenance.Source)}
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

var (
	errRecovering = errors.New("reading what the last process left")
	errFull       = errors.New("the journal is full: Kafka must take some of it, or max_bytes be raised")
	errReserve    = errors.New("the file system has less than reserve_bytes left")
	errShare      = errors.New("the journal fills, and the source has its share of it waiting")
)

// Admit implements sinks.Committer. Below the high-water mark everybody is let
// in; above it only who has less than a fair share of the journal waiting, so
// that one source's flood turns away that source. One share is kept for a source
// that has nothing waiting, however many there are, so that a flood without
// company ends there too. In a full journal, or while the disk refuses, nobody
// is let in.
func (j *Journal) Admit(source string) error {
	if !j.recovered.Load() {
		return &sinks.Error{Reason: sinks.ReasonOverloaded, Err: errRecovering}
	}
	if e := j.refusal(source); e != nil {
		return e
	}
	return nil
}

// refusal says why a source may not commit at present.
func (j *Journal) refusal(source string) *sinks.Error {
	if j.closing() {
		return &sinks.Error{Reason: sinks.ReasonClosed}
	}
	if err := j.log.Ready(); err != nil {
		return &sinks.Error{Reason: reason(err), Err: err}
	}
	used := j.used.Load()
	switch {
	case used >= j.room:
		return &sinks.Error{Reason: sinks.ReasonOverloaded, Err: errFull}
	case j.free.Load() < j.opt.ReserveBytes:
		return &sinks.Error{Reason: sinks.ReasonDiskFull, Err: errReserve}
	case used < j.highWater || source == "":
		return nil
	}
	all, own, shares := j.sources.all(), int64(0), int64(2)
	for name, s := range all {
		switch waiting := s.bytes.Load(); {
		case name == source:
			own = waiting
		case waiting > 0:
			shares++
		}
	}
	if own >= j.room/shares {
		return &sinks.Error{Reason: sinks.ReasonOverloaded, Err: errShare}
	}
	return nil
}
