package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/produce"
	"github.com/segmentio/kafka-go/protocol/rawproduce"

	"assent/sinks"
)

var (
	errCluster = errors.New("the reservation was made for another cluster")
	errOld     = errors.New("the reservation is older than brokers remember its producer")
	errBefore  = errors.New("the broker says that the batch was there before")
	errLost    = errors.New("the broker does not know the reservation's producer any more")
)

// Send implements sinks.Forwarder. It makes one attempt, within Options.Timeout
// unless the batch has to be looked up.
func (f *Forwarder) Send(ctx context.Context, p sinks.Partition, raw []byte, provider sinks.Provider, again bool) (sinks.Sent, error) {
	s := f.partition(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := parseReservation(raw)
	if err != nil {
		return sinks.Sent{}, unusable(again, errReservation)
	}
	out, err := f.send(ctx, s, &attempt{partition: p, reservation: r, provider: provider, again: again})
	if err != nil {
		e := failed(err)
		switch e.Reason {
		case sinks.ReasonTooLarge, sinks.ReasonRefused, sinks.ReasonUnplaced, sinks.ReasonDoubtful:
		default:
			countRetry(e.Reason)
		}
		return sinks.Sent{}, e
	}
	storedRecords.Add(int(r.count))
	if out.Repeated {
		repeatsAvoided.Inc()
	}
	return out, nil
}

func (f *Forwarder) send(ctx context.Context, s *partition, a *attempt) (sinks.Sent, error) {
	r, p, again := a.reservation, a.partition, a.again
	addr, c, err := f.leaderOf(ctx, p)
	if errors.Is(err, errNoPartition) {
		return sinks.Sent{}, unusable(again, errNoPartition)
	}
	if err != nil {
		return sinks.Sent{}, err
	}
	if r.cluster != c.id {
		return sinks.Sent{}, unusable(again, errCluster)
	}
	a.addr = addr
	if age := f.opt.Now().UnixMilli() - r.at; again && (age < 0 || age > f.opt.ProducerLife.Milliseconds()) {
		s.lose(&r)
		return f.lookUp(ctx, s, a, errOld)
	}
	end := int64(0)
	if again {
		if end, err = f.offset(ctx, addr, p, kafkago.LastOffset); err != nil {
			return sinks.Sent{}, err
		}
	}
	offset, err := f.produce(ctx, a)
	if fateOf(err) == mistimed {
		// A clock that runs ahead, or a wait that was longer than the topic allows
		// (message.timestamp.after.max.ms, before.max.ms). The record's instant is in
		// its ce_time; the log's may be that of its arrival.
		a.arrival = true
		offset, err = f.produce(ctx, a)
	}
	switch fateOf(err) {
	case stored:
		if offset < r.low || again && offset < end {
			// It was there before, or something else was: a sequence is answered
			// with the offset of what was stored under it, whatever that was.
			a.reservation.low = offset
			return f.lookUp(ctx, s, a, errBefore)
		}
		s.stored(&r, offset, false)
		return sinks.Sent{Offset: offset}, nil
	case lost:
		s.lose(&r)
		return f.lookUp(ctx, s, a, fmt.Errorf("%w: %w", errLost, err))
	case refused:
		return f.refuse(ctx, s, a, &sinks.Error{Reason: sinks.ReasonRefused, Err: err})
	case tooLarge:
		return f.refuse(ctx, s, a, &sinks.Error{Reason: sinks.ReasonTooLarge, Err: err})
	default:
		f.refreshSoon()
		return sinks.Sent{}, err
	}
}

// refuse answers that the broker does not want a batch. An earlier attempt may
// have stored it all the same, before the topic's limits changed.
func (f *Forwarder) refuse(ctx context.Context, s *partition, a *attempt, why *sinks.Error) (sinks.Sent, error) {
	if !a.again {
		return sinks.Sent{}, why
	}
	out, err := f.lookUp(ctx, s, a, why)
	if err != nil && sinks.ReasonOf(err) == sinks.ReasonUnplaced {
		err = why
	}
	return out, err
}

// leaderOf is leader within Options.Timeout.
func (f *Forwarder) leaderOf(ctx context.Context, p sinks.Partition) (string, *cluster, error) {
	ctx, cancel := context.WithTimeout(ctx, f.opt.Timeout)
	defer cancel()
	return f.leader(ctx, p)
}

// produce encodes a batch and sends it. It returns the offset of the first
// record.
func (f *Forwarder) produce(ctx context.Context, a *attempt) (int64, error) {
	buf := f.buffers.Get().(*[]byte)
	defer f.buffers.Put(buf)
	start := time.Now()
	answer, err := f.conns.askLate(ctx, a.addr, func() (protocol.Message, error) {
		enc := <-f.encoders
		defer func() { f.encoders <- enc }()
		if err := a.provide(); err != nil {
			return nil, err
		}
		set, size, err := enc.appendBatch((*buf)[:0], a.reservation.id, a.reservation.sequence, a.outgoing)
		if err != nil {
			return nil, err
		}
		*buf = set
		producedRequests.Inc()
		plainBytes.Add(size)
		sentBytes.Add(len(set))
		return &rawproduce.Request{
			Acks: -1, Timeout: int32(f.opt.Timeout.Milliseconds() / 2), // the other half is for the way
			Topics: []rawproduce.RequestTopic{{Topic: a.partition.Topic, Partitions: []rawproduce.RequestPartition{{
				Partition: a.partition.Number, RecordSet: protocol.RawRecordSet{Reader: bytes.NewReader(set)},
			}}}},
		}, nil
	})
	producedSeconds.Observe(int64(time.Since(start)))
	if err != nil {
		return 0, err
	}
	res := answer.(*produce.Response)
	if len(res.Topics) != 1 || len(res.Topics[0].Partitions) != 1 {
		return 0, errAnswer
	}
	got := &res.Topics[0].Partitions[0]
	if got.ErrorCode != 0 {
		// The broker's own message may quote a record.
		return 0, fmt.Errorf("producing: %w", kafkago.Error(got.ErrorCode))
	}
	return got.BaseOffset, nil
}
