package kafka

import (
	"context"
	"fmt"

	"assent/sinks"
)

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
