package kafka

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/initproducerid"
	"github.com/segmentio/kafka-go/protocol/listoffsets"

	"assent/sinks"
)

// A plan is the identity of one batch; see the package comment.
type plan struct {
	named
	sequence int32
	count    int32
	low      int64
	at       int64 // milliseconds since 1970
}

// named is an identity in the cluster that gave it: another cluster gives the
// same numbers to others.
type named struct {
	cluster uint64
	id      identity
	ok      bool // there is one
}

const (
	planVersion = 1
	planSize    = 1 + 8 + 8 + 2 + 4 + 4 + 8 + 8
)

var errPlan = errors.New("not a plan that can be read")

func (p *plan) append(dst []byte) []byte {
	dst = append(dst, planVersion)
	dst = binary.BigEndian.AppendUint64(dst, p.cluster)
	dst = binary.BigEndian.AppendUint64(dst, uint64(p.id.producer))
	dst = binary.BigEndian.AppendUint16(dst, uint16(p.id.epoch))
	dst = binary.BigEndian.AppendUint32(dst, uint32(p.sequence))
	dst = binary.BigEndian.AppendUint32(dst, uint32(p.count))
	dst = binary.BigEndian.AppendUint64(dst, uint64(p.low))
	return binary.BigEndian.AppendUint64(dst, uint64(p.at))
}

func parsePlan(b []byte) (p plan, err error) {
	if len(b) != planSize || b[0] != planVersion {
		return p, errPlan
	}
	p = plan{
		named: named{
			cluster: binary.BigEndian.Uint64(b[1:]), ok: true,
			id: identity{int64(binary.BigEndian.Uint64(b[9:])), int16(binary.BigEndian.Uint16(b[17:]))},
		},
		sequence: int32(binary.BigEndian.Uint32(b[19:])),
		count:    int32(binary.BigEndian.Uint32(b[23:])),
		low:      int64(binary.BigEndian.Uint64(b[27:])),
		at:       int64(binary.BigEndian.Uint64(b[35:])),
	}
	if p.id.producer < 0 || p.id.epoch < 0 || p.sequence < 0 || p.count <= 0 || p.low < 0 {
		return p, errPlan
	}
	return p, nil
}

// partition is what this process knows of a partition. Its mutex is held over a
// plan and over a send: one batch is in flight per partition, because brokers
// refuse batches that overtake each other.
type partition struct {
	mu       sync.Mutex
	name     named
	fresh    bool  // the identity that all partitions share has lost its force here
	sequence int32 // of the next batch
	low      int64 // no later batch can have a smaller offset; -1: not known
}

func (f *Forwarder) partition(l sinks.Partition) *partition {
	if s, ok := f.partitions.Load(l); ok {
		return s.(*partition)
	}
	s, _ := f.partitions.LoadOrStore(l, &partition{low: -1})
	return s.(*partition)
}

// stored notes that a plan's batch is in the log at offset. again says that it
// may have been there for long.
func (s *partition) stored(p *plan, offset int64, again bool) {
	if s.name == p.named && s.sequence == p.sequence {
		s.sequence = addSequence(p.sequence, int(p.count))
	}
	if !again || offset+int64(p.count) > s.low {
		s.low = offset + int64(p.count)
	}
}

// lose drops the partition's identity if p has it.
func (s *partition) lose(p *plan) {
	if s.name == p.named {
		s.name.ok, s.fresh = false, true
	}
}

// Plan implements sinks.Forwarder.
func (f *Forwarder) Plan(ctx context.Context, l sinks.Partition, n int) ([]byte, error) {
	s := f.partition(l)
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, f.opt.Timeout)
	defer cancel()
	addr, c, err := f.leader(ctx, l)
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
		if s.low, err = f.offset(ctx, addr, l, kafkago.LastOffset); err != nil {
			return nil, failed(err)
		}
	}
	p := plan{named: s.name, sequence: s.sequence, count: int32(n), low: s.low, at: f.opt.Now().UnixMilli()}
	return p.append(make([]byte, 0, planSize)), nil
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
func (f *Forwarder) offset(ctx context.Context, addr string, l sinks.Partition, instant int64) (int64, error) {
	answer, err := f.conns.ask(ctx, addr, &listoffsets.Request{ReplicaID: -1, Topics: []listoffsets.RequestTopic{{
		Topic: l.Topic, Partitions: []listoffsets.RequestPartition{{Partition: l.Number, CurrentLeaderEpoch: -1, Timestamp: instant}},
	}}})
	if err != nil {
		return 0, err
	}
	res := answer.(*listoffsets.Response)
	if len(res.Topics) != 1 || len(res.Topics[0].Partitions) != 1 {
		return 0, errAnswer
	}
	p := &res.Topics[0].Partitions[0]
	if p.ErrorCode != 0 {
		f.refreshSoon()
		return 0, fmt.Errorf("asking for an offset: %w", kafkago.Error(p.ErrorCode))
	}
	return p.Offset, nil
}
