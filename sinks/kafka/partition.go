package kafka

import (
	"context"
	"fmt"
	"sync"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/initproducerid"
	"github.com/segmentio/kafka-go/protocol/listoffsets"

	"assent/sinks"
)

// partition is what this process knows of a partition. Its mutex is held over a
// Reserve and over a Send: one batch is in flight per partition, because brokers
// refuse batches that overtake each other.
type partition struct {
	mu       sync.Mutex
	name     named
	fresh    bool  // the identity that all partitions share has lost its force here
	sequence int32 // of the next batch
	low      int64 // no later batch can have a smaller offset; -1: not known
}

func (f *Forwarder) partition(p sinks.Partition) *partition {
	if s, ok := f.partitions.Load(p); ok {
		return s.(*partition)
	}
	s, _ := f.partitions.LoadOrStore(p, &partition{low: -1})
	return s.(*partition)
}

// stored notes that a reservation's batch is in the log at offset. again says that it
// may have been there for long.
func (s *partition) stored(r *reservation, offset int64, again bool) {
	if s.name == r.named && s.sequence == r.sequence {
		s.sequence = addSequence(r.sequence, int(r.count))
	}
	if !again || offset+int64(r.count) > s.low {
		s.low = offset + int64(r.count)
	}
}

// lose drops the partition's identity if the reservation has it.
func (s *partition) lose(r *reservation) {
	if s.name == r.named {
		s.name.ok, s.fresh = false, true
	}
}

// Reserve implements sinks.Forwarder.
func (f *Forwarder) Reserve(ctx context.Context, p sinks.Partition, n int) ([]byte, error) {
	s := f.partition(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, f.opt.Timeout)
	defer cancel()
	addr, c, err := f.leader(ctx, p)
	if err != nil {
		return nil, failed(err)
	}
	if s.name.cluster != c.id {
		s.name, s.fresh, s.low = named{cluster: c.id}, false, -1
	}
	if !s.name.ok {
		if s.name, err = f.name(ctx, c, s.fresh); err != nil {
			return nil, failed(err)
		}
		s.sequence = 0
	}
	if s.low < 0 {
		if s.low, err = f.offset(ctx, addr, p, kafkago.LastOffset); err != nil {
			return nil, failed(err)
		}
	}
	r := reservation{named: s.name, sequence: s.sequence, count: int32(n), low: s.low, at: f.opt.Now().UnixMilli()}
	return r.append(make([]byte, 0, reservationSize)), nil
}

// name returns an identity: the one all partitions share, asked for when it is first
// needed, or a fresh one for a partition where that has lost its force.
func (f *Forwarder) name(ctx context.Context, c *cluster, fresh bool) (named, error) {
	f.naming.Lock()
	defer f.naming.Unlock()
	if f.producer.ok && f.producer.cluster == c.id && !fresh {
		return f.producer, nil
	}
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		answer, err := f.askAny(ctx, &initproducerid.Request{ProducerID: -1, ProducerEpoch: -1, TransactionTimeoutMs: 60_000})
		if err != nil {
			return named{}, fmt.Errorf("asking for a producer id: %w", err)
		}
		res := answer.(*initproducerid.Response)
		code := kafkago.Error(res.ErrorCode)
		if code == 0 {
			n := named{cluster: c.id, id: identity{res.ProducerID, res.ProducerEpoch}, ok: true}
			if !fresh {
				f.producer = n
			}
			return n, nil
		}
		if codeReason(code).Class() != sinks.Retriable {
			return named{}, fmt.Errorf("asking for a producer id: %w", code)
		}
		select { // a broker that has just started has still to load (code 14)
		case <-time.After(wait):
		case <-ctx.Done():
			return named{}, fmt.Errorf("asking for a producer id: %w", code)
		}
	}
}

// offset returns the offset of a partition at an instant: kafkago.FirstOffset is the
// oldest record's, kafkago.LastOffset the next record's to be.
func (f *Forwarder) offset(ctx context.Context, addr string, p sinks.Partition, instant int64) (int64, error) {
	answer, err := f.conns.ask(ctx, addr, &listoffsets.Request{ReplicaID: -1, Topics: []listoffsets.RequestTopic{{
		Topic: p.Topic, Partitions: []listoffsets.RequestPartition{{Partition: p.Number, CurrentLeaderEpoch: -1, Timestamp: instant}},
	}}})
	if err != nil {
		return 0, err
	}
	res := answer.(*listoffsets.Response)
	if len(res.Topics) != 1 || len(res.Topics[0].Partitions) != 1 {
		return 0, errAnswer
	}
	got := &res.Topics[0].Partitions[0]
	if got.ErrorCode != 0 {
		f.refreshSoon()
		return 0, fmt.Errorf("asking for an offset: %w", kafkago.Error(got.ErrorCode))
	}
	return got.Offset, nil
}
