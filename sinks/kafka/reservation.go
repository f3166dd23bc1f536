package kafka

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/initproducerid"
	"github.com/segmentio/kafka-go/protocol/listoffsets"

	"assent/sinks"
)

// A reservation is the identity of one batch; see the package comment.
type reservation struct {
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
	reservationVersion = 1
	reservationSize    = 1 + 8 + 8 + 2 + 4 + 4 + 8 + 8
)

var errReservation = errors.New("not a reservation that can be read")

func (r *reservation) append(dst []byte) []byte {
	dst = append(dst, reservationVersion)
	dst = binary.BigEndian.AppendUint64(dst, r.cluster)
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.id.producer))
	dst = binary.BigEndian.AppendUint16(dst, uint16(r.id.epoch))
	dst = binary.BigEndian.AppendUint32(dst, uint32(r.sequence))
	dst = binary.BigEndian.AppendUint32(dst, uint32(r.count))
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.low))
	return binary.BigEndian.AppendUint64(dst, uint64(r.at))
}

func parseReservation(b []byte) (r reservation, err error) {
	if len(b) != reservationSize || b[0] != reservationVersion {
		return r, errReservation
	}
	r = reservation{
		named: named{
			cluster: binary.BigEndian.Uint64(b[1:]), ok: true,
			id: identity{int64(binary.BigEndian.Uint64(b[9:])), int16(binary.BigEndian.Uint16(b[17:]))},
		},
		sequence: int32(binary.BigEndian.Uint32(b[19:])),
		count:    int32(binary.BigEndian.Uint32(b[23:])),
		low:      int64(binary.BigEndian.Uint64(b[27:])),
		at:       int64(binary.BigEndian.Uint64(b[35:])),
	}
	if r.id.producer < 0 || r.id.epoch < 0 || r.sequence < 0 || r.count <= 0 || r.low < 0 {
		return r, errReservation
	}
	return r, nil
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
