// Package kafka sends records to Apache Kafka and waits for the acknowledgement
// of all in-sync replicas. It is the only importer of the Kafka driver.
//
// Keyed records go to the partition the Java client's default partitioner picks
// (murmur2); records with a null key are spread. Calls that wait at the same
// time share produce requests.
//
// Delivery is at least once: a Commit that fails may have written some records,
// or may still write them, so a sender's retry doubles those.
package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"assent/sinks"
)

var meter = sinks.NewMeter("kafka")

// attempts is how often a produce request is tried within one Timeout.
const attempts = 3

// A Sink commits batches to Kafka.
type Sink struct {
	opt       Options
	transport *kafkago.Transport
	client    *kafkago.Client
	shared    *kafkago.Writer // batches of many commits
	solo      *kafkago.Writer // one message per batch, see single

	pending  atomic.Int64 // bytes the writers hold
	notReady atomic.Pointer[sinks.Error]
	creating sync.Mutex

	mu      sync.Mutex
	closed  bool
	writing sync.WaitGroup // calls into the writers; added to under mu while not closed
	drained chan struct{}
	stop    context.CancelFunc // ends watch
	watched chan struct{}
}

var _ sinks.Committer = (*Sink)(nil)

// Open returns a Sink that connects in the background: it succeeds while Kafka
// is away. Ready then tells, and Commit fails within the Timeout.
func Open(opt Options) (*Sink, error) {
	opt.EnsureDefaults()
	if err := opt.Validate(); err != nil {
		return nil, fmt.Errorf("reading kafka sink options: %w", err)
	}
	transport := &kafkago.Transport{ClientID: "assent", DialTimeout: opt.Timeout / attempts, MetadataTTL: 3 * time.Second}
	s := &Sink{opt: opt, transport: transport, drained: make(chan struct{}), watched: make(chan struct{})}
	s.client = &kafkago.Client{Addr: kafkago.TCP(opt.Brokers...), Timeout: opt.Timeout, Transport: transport}
	s.shared = s.writer(1000)
	s.solo = s.writer(1)
	s.notReady.Store(&sinks.Error{Reason: sinks.ReasonUnavailable, Err: errors.New("not connected yet")})
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	go s.watch(ctx)
	return s, nil
}

func (s *Sink) writer(batchSize int) *kafkago.Writer {
	return &kafkago.Writer{
		Addr:            s.client.Addr,
		Transport:       s.transport,
		Balancer:        kafkago.Murmur2Balancer{},
		RequiredAcks:    kafkago.RequireAll,
		Compression:     codecs[s.opt.Compression],
		BatchSize:       batchSize,
		BatchBytes:      int64(s.opt.MaxBatchBytes),
		BatchTimeout:    s.opt.Linger,
		MaxAttempts:     attempts,
		WriteTimeout:    s.opt.Timeout / attempts,
		ReadTimeout:     s.opt.Timeout / attempts,
		WriteBackoffMin: 50 * time.Millisecond,
		WriteBackoffMax: 250 * time.Millisecond,
	}
}

// Commit implements sinks.Committer. It returns when ctx ends, or the Timeout
// passed, even if Kafka has not answered; the records may then still arrive.
func (s *Sink) Commit(ctx context.Context, b *sinks.Batch) error {
	if len(b.Records) == 0 {
		return nil
	}
	for i := range b.Records {
		if err := sinks.ValidTopic(b.Records[i].Topic); err != nil {
			return meter.Failed(sinks.ReasonBadTopic, err)
		}
	}
	messages, size := messagesOf(b)
	if s.pending.Add(int64(size)) > s.opt.MaxPendingBytes && s.pending.Load() > int64(size) {
		s.pending.Add(-int64(size))
		return meter.Failed(sinks.ReasonOverloaded, nil)
	}
	if !s.enter() {
		s.pending.Add(-int64(size))
		return meter.Failed(sinks.ReasonClosed, nil)
	}
	done := make(chan error, 1)
	go func() {
		defer s.writing.Done()
		defer s.pending.Add(-int64(size))
		done <- s.send(messages)
	}()
	timer := time.NewTimer(s.opt.Timeout)
	defer timer.Stop()
	select {
	case err := <-done:
		return s.outcome(b, err)
	case <-timer.C:
		return s.outcome(b, context.DeadlineExceeded)
	case <-ctx.Done():
		return meter.Failed(sinks.ReasonCanceled, ctx.Err())
	}
}

// outcome counts and classifies how a commit ended.
func (s *Sink) outcome(b *sinks.Batch, err error) error {
	if err == nil {
		for i := range b.Records {
			r := &b.Records[i]
			meter.Committed(r.Topic, 1, len(r.Key)+len(r.Value))
		}
		s.notReady.Store(nil)
		return nil
	}
	err = cause(err)
	e := meter.Failed(reason(err), err)
	if e.Reason == sinks.ReasonUnavailable || e.Reason == sinks.ReasonTimeout {
		s.notReady.Store(e)
	}
	return e
}

// messagesOf returns the batch in memory of its own, and how much that is. The
// driver may read a message after WriteMessages returned, when a request timed
// out while a connection was still sending it; were the caller to reuse its
// memory by then, one visitor's data would be sent as another's.
func messagesOf(b *sinks.Batch) ([]kafkago.Message, int) {
	size, headers := 0, 0
	for i := range b.Records {
		r := &b.Records[i]
		size += len(r.Key) + len(r.Value)
		headers += len(r.Headers)
		for j := range r.Headers {
			size += len(r.Headers[j].Value)
		}
	}
	arena := make([]byte, 0, size)
	copied := func(p []byte) []byte {
		if p == nil {
			return nil
		}
		from := len(arena)
		arena = append(arena, p...)
		return arena[from:len(arena):len(arena)]
	}
	list := make([]kafkago.Header, 0, headers)
	messages := make([]kafkago.Message, len(b.Records))
	for i := range b.Records {
		r := &b.Records[i]
		from := len(list)
		for _, h := range r.Headers {
			list = append(list, kafkago.Header{Key: strings.Clone(h.Key), Value: copied(h.Value)})
		}
		messages[i] = kafkago.Message{
			Topic: strings.Clone(r.Topic), Key: copied(r.Key), Value: copied(r.Value), Headers: list[from:len(list):len(list)],
		}
	}
	return messages, size
}

// send writes messages and returns when the writers are done with them. No
// context of a caller reaches the writer: returning early would hide for how
// long it holds the messages. The writer's own timeouts bound the call.
func (s *Sink) send(messages []kafkago.Message) error {
	err := s.shared.WriteMessages(context.Background(), messages...)
	if errors.Is(err, kafkago.UnknownTopicOrPartition) && s.opt.CreateTopics {
		if err = s.createMissing(messages); err == nil {
			err = s.shared.WriteMessages(context.Background(), messages...)
		}
	}
	var each kafkago.WriteErrors
	if errors.As(err, &each) {
		err = s.single(messages, each)
	}
	return err
}

// single sends again, each in a request of its own, the messages that a broker
// refused as too large: it judges a whole batch, which may hold other commits'
// messages, and one large record must not have its neighbours refused.
func (s *Sink) single(messages []kafkago.Message, each kafkago.WriteErrors) error {
	again := make([]kafkago.Message, 0, len(messages))
	for i, err := range each {
		switch {
		case err == nil:
		case reason(err) == sinks.ReasonTooLarge:
			again = append(again, messages[i])
		default:
			return each
		}
	}
	return s.solo.WriteMessages(context.Background(), again...)
}

func (s *Sink) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.writing.Add(1)
	return true
}

// Admit implements sinks.Committer.
func (s *Sink) Admit(string) error { return nil }

// Ready implements sinks.Committer: nil after a write or a probe of the cluster
// succeeded, until one fails.
func (s *Sink) Ready() error {
	if e := s.notReady.Load(); e != nil {
		return e
	}
	return nil
}

// Close implements sinks.Committer.
func (s *Sink) Close(ctx context.Context) error {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	s.mu.Unlock()
	if first {
		s.stop()
		go func() {
			<-s.watched
			s.notReady.Store(&sinks.Error{Reason: sinks.ReasonClosed})
			s.writing.Wait()
			s.shared.Close()
			s.solo.Close()
			s.transport.CloseIdleConnections()
			close(s.drained)
		}()
	}
	select {
	case <-s.drained:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("closing kafka sink: %w", ctx.Err())
	}
}
