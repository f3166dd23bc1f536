package kafka

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"assent/sinks"
)

// Forwarder implements sinks.Forwarder.
type Forwarder struct {
	opt      Options
	conns    *conns
	encoders chan *encoder // those that are free
	buffers  sync.Pool     // *[]byte, for batches on their way

	seen     atomic.Pointer[cluster]     // what the cluster last said of itself; nil: nothing yet
	notReady atomic.Pointer[sinks.Error] // nil: ready
	answered atomic.Pointer[string]      // address of the broker that answered last; nil: none did

	mu     sync.Mutex
	wanted map[string]int64 // topics to ask for, and how many partitions somebody has seen of each
	round  chan struct{}    // closed when the next refresh to begin has ended
	kicks  chan struct{}    // asks for a refresh now

	naming   sync.Mutex // one InitProducerId at a time
	producer named      // of partitions that have not lost theirs

	partitions sync.Map // sinks.Partition to *partition

	stop    context.CancelFunc
	stopped chan struct{}
}

var _ sinks.Forwarder = (*Forwarder)(nil)

// Open starts a forwarder. It does not wait for the brokers: Ready returns nil
// once they answer.
func Open(opt Options) (*Forwarder, error) {
	opt.EnsureDefaults()
	if err := opt.Validate(); err != nil {
		return nil, fmt.Errorf("opening kafka: %w", err)
	}
	tls, err := opt.TLS.config()
	if err != nil {
		return nil, fmt.Errorf("opening kafka: %w", err)
	}
	mechanism, err := opt.SASL.mechanism()
	if err != nil {
		return nil, fmt.Errorf("opening kafka: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	f := &Forwarder{
		opt:      opt,
		encoders: newEncoders(codecs[opt.Compression]),
		conns:    &conns{timeout: opt.Timeout, tls: tls, sasl: mechanism, idle: make(map[string][]*conn)},
		wanted:   make(map[string]int64),
		round:    make(chan struct{}),
		kicks:    make(chan struct{}, 1),
		stop:     stop,
		stopped:  make(chan struct{}),
	}
	f.buffers.New = func() any { return new([]byte) }
	f.notReady.Store(&sinks.Error{Reason: sinks.ReasonUnavailable, Err: errNotAsked})
	for _, t := range opt.Topics {
		f.wanted[t] = 0
	}
	go f.watch(ctx)
	return f, nil
}

// Partition implements sinks.Forwarder: keys go where the Java client's default
// partitioner puts them, records without one in runs to each partition in turn.
func (f *Forwarder) Partition(name string, key []byte) (sinks.Partition, error) {
	c := f.seen.Load()
	var t *topic
	if c != nil {
		t = c.topics[name]
	}
	if t == nil {
		return sinks.Partition{}, f.want(name, 0)
	}
	if t.err != nil {
		return sinks.Partition{}, t.err
	}
	if t.shrunk() {
		return sinks.Partition{}, errShrunk
	}
	if key != nil {
		return sinks.Partition{Topic: t.name, Number: keyPartition(key, len(t.leaders))}, nil
	}
	return sinks.Partition{Topic: t.name, Number: t.led[t.spread.next(len(t.led))]}, nil
}

// want has a topic asked for from now on, of which that many partitions were seen,
// and returns why it cannot be had yet.
func (f *Forwarder) want(name string, partitions int64) error {
	if err := sinks.ValidTopic(name); err != nil {
		return &sinks.Error{Reason: sinks.ReasonBadTopic, Err: err}
	}
	f.mu.Lock()
	if seen, ok := f.wanted[name]; !ok || seen < partitions {
		f.wanted[strings.Clone(name)] = partitions
	}
	f.mu.Unlock()
	f.refreshSoon()
	return &sinks.Error{Reason: sinks.ReasonUnavailable, Err: errNotAsked}
}

// Ready implements sinks.Forwarder: nil while the cluster answers and has the
// topics that were required.
func (f *Forwarder) Ready() error {
	if e := f.notReady.Load(); e != nil {
		return e
	}
	return nil
}

// Close implements sinks.Forwarder. Calling it again is harmless.
func (f *Forwarder) Close() error {
	f.stop()
	<-f.stopped
	f.notReady.Store(&sinks.Error{Reason: sinks.ReasonClosed})
	f.conns.close()
	return nil
}
