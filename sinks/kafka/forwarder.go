package kafka

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"assent/sinks"
)

const (
	refreshEvery = time.Second            // a readiness probe sees a change soon
	refreshGap   = 100 * time.Millisecond // whoever asks for it
	attempts     = 3                      // brokers to be asked within Options.Timeout
)

var (
	errNotAsked = errors.New("the cluster has not answered yet")
	errNoLeader = errors.New("the partition has no leader")
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

// refreshSoon asks for a refresh without waiting for it.
func (f *Forwarder) refreshSoon() {
	select {
	case f.kicks <- struct{}{}:
	default:
	}
}

// refreshed waits for the end of a refresh that begins after the call.
func (f *Forwarder) refreshed(ctx context.Context) error {
	f.mu.Lock()
	ended := f.round
	f.mu.Unlock()
	f.refreshSoon()
	select {
	case <-ended:
		return nil
	case <-f.stopped:
		return &sinks.Error{Reason: sinks.ReasonClosed}
	case <-ctx.Done():
		return ctx.Err()
	}
}
