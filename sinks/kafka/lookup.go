package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"assent/sinks"
)

// Bounds of one look-up. Past them its answer is doubtful.
const (
	lookupTime  = 2 * time.Minute
	lookupBytes = 1 << 30
)

var (
	errGone   = errors.New("part of the range is gone")
	errBounds = errors.New("the range is too long to be read")
)

// attempt is one batch on its way to the leader of its partition.
type attempt struct {
	partition   sinks.Partition
	addr        string // of the leader
	reservation reservation
	provider    sinks.Provider
	outgoing    []sinks.Outgoing // as they were provided last
	again       bool             // an earlier one may have reached the log
	arrival     bool             // the records are to bear the instant of sending
}

// provide asks for the records as they are at this instant.
func (a *attempt) provide() error {
	outgoing, err := a.provider()
	if err == nil && len(outgoing) != int(a.reservation.count) {
		err = unusable(a.again, errCount)
	}
	if err != nil {
		return err
	}
	a.outgoing = outgoing
	if a.arrival {
		a.outgoing = slices.Clone(outgoing)
		for i := range a.outgoing {
			a.outgoing[i].Time = time.Now().UnixMilli()
		}
	}
	return nil
}

// unusable answers that a reservation cannot be used. Its records may be stored only
// if they were sent before.
func unusable(again bool, why error) *sinks.Error {
	if again {
		return &sinks.Error{Reason: sinks.ReasonDoubtful, Err: why}
	}
	return &sinks.Error{Reason: sinks.ReasonUnplaced, Err: why}
}

// lookUp finds out whether a batch is in its partition, which is read from the
// reservation's lower bound to its present end. why is the reason for looking.
//
// A batch is known by the identity of its reservation, which the log keeps, and by its
// events' ids.
func (f *Forwarder) lookUp(ctx context.Context, s *partition, a *attempt, why error) (sinks.Sent, error) {
	bounded, cancel := context.WithTimeoutCause(ctx, lookupTime, errBounds)
	defer cancel()
	offset, err := f.find(bounded, a)
	if err != nil && errors.Is(context.Cause(bounded), errBounds) {
		err = errBounds
	}
	answer := func(outcome string, reason sinks.Reason, cause error) error {
		countLookup(outcome)
		return &sinks.Error{Reason: reason, Err: fmt.Errorf("%w: looking for the batch: %w", why, cause)}
	}
	if err != nil {
		s.lose(&a.reservation) // who knows what has become of its sequence
	}
	switch {
	case err == nil:
		countLookup("stored")
		s.stored(&a.reservation, offset, a.again)
		return sinks.Sent{Offset: offset, Repeated: a.again}, nil
	case errors.Is(err, errAbsent):
		return sinks.Sent{}, answer("absent", sinks.ReasonUnplaced, err)
	case errors.Is(err, errGone), errors.Is(err, errBounds), errors.Is(err, errBatch):
		return sinks.Sent{}, answer("doubtful", sinks.ReasonDoubtful, err)
	default:
		f.refreshSoon()
		return sinks.Sent{}, answer("failed", failed(err).Reason, err)
	}
}

var errAbsent = errors.New("it is not there")

// find returns the offset of a batch. errAbsent is certain; errGone, errBounds
// and errBatch say that nobody will ever know; anything else may pass.
func (f *Forwarder) find(ctx context.Context, a *attempt) (int64, error) {
	if a.outgoing == nil {
		if err := a.provide(); err != nil {
			return 0, err
		}
	}
	first, err := f.offset(ctx, a.addr, a.partition, kafkago.FirstOffset)
	if err != nil {
		return 0, err
	}
	end, err := f.offset(ctx, a.addr, a.partition, kafkago.LastOffset)
	if err != nil {
		return 0, err
	}
	scan := scan{attempt: a, next: a.reservation.low}
	if scan.next < first || scan.next > end { // retention, or a topic made anew
		scan.next, scan.gone = first, true
	}
	req := &fetchRequest{topic: a.partition.Topic, partition: a.partition.Number}
	for read := 0; scan.next < end; read += len(req.answer.records) {
		if read > lookupBytes {
			return 0, errBounds
		}
		req.offset = scan.next
		if err := f.fetch(ctx, a.addr, req); err != nil {
			return 0, err
		}
		found, err := scan.read(req.answer.records)
		if err != nil {
			return 0, err
		}
		if found >= 0 {
			return found, nil
		}
		if scan.next == req.offset {
			return 0, errBatch // the end is further on, and nothing can be read
		}
	}
	if scan.gone {
		return 0, errGone
	}
	return 0, errAbsent
}

// scan looks for a batch in what a partition holds, front to back.
type scan struct {
	*attempt
	next int64 // offset to read on from
	gone bool  // some record that was there is not any more
}

// read takes the batches of one answer, of which the last one may be cut short,
// and returns the offset of the one that is looked for, or -1.
func (s *scan) read(src []byte) (int64, error) {
	for {
		b, rest, err := cutBatch(src)
		if err != nil {
			return -1, nil // read gives up when it does not get on
		}
		src = rest
		if b.base > s.next || !b.whole() {
			s.gone = true // compacted
		}
		s.next = max(s.next, b.last+1)
		if b.id != s.reservation.id || b.sequence != s.reservation.sequence || b.last-b.base != int64(s.reservation.count)-1 {
			continue
		}
		ours, err := b.holds(s.outgoing)
		if err != nil {
			return -1, errBatch
		}
		if ours {
			return b.base, nil
		}
	}
}

// fetch makes one request; the answer is in req.
func (f *Forwarder) fetch(ctx context.Context, addr string, req *fetchRequest) error {
	if _, err := f.conns.ask(ctx, addr, req); err != nil {
		return err
	}
	if req.answer.code != 0 {
		return fmt.Errorf("reading a partition: %w", req.answer.code)
	}
	return nil
}
