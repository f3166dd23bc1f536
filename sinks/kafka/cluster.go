package kafka

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/metadata"

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

// cluster is what a broker said of its cluster. It does not change.
type cluster struct {
	id         uint64           // a hash of the cluster's id
	brokers    map[int32]string // HOST:PORT by node
	controller string
	topics     map[string]*topic
}

// topic is what is known of a topic that was asked for.
type topic struct {
	name    string
	err     *sinks.Error // why it cannot be had; nil: it can
	leaders []int32      // node by partition; -1: none
	led     []int32      // partitions that have a leader, or all if none has
	spread  *spread
	most    *atomic.Int64 // partitions that are known of, there or not
	since   time.Time     // since then every answer was whole and said as many partitions
	gone    time.Time     // when those beyond them were found to be gone; zero: they were not
}

// watch keeps what is known of the cluster fresh until ctx ends.
func (f *Forwarder) watch(ctx context.Context) {
	defer close(f.stopped)
	ticker := time.NewTicker(refreshEvery)
	defer ticker.Stop()
	gap := time.NewTimer(0)
	defer gap.Stop()
	for ctx.Err() == nil {
		select {
		case <-gap.C:
		case <-ctx.Done():
			return
		}
		f.mu.Lock()
		ended := f.round
		f.round = make(chan struct{})
		f.mu.Unlock()
		f.notReady.Store(f.refresh(ctx))
		close(ended)
		f.conns.prune(time.Now())
		gap.Reset(refreshGap)
		select {
		case <-ticker.C:
		case <-f.kicks:
		case <-ctx.Done():
		}
	}
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

// refresh asks the cluster for itself and returns why it is not ready, if so.
func (f *Forwarder) refresh(ctx context.Context) *sinks.Error {
	f.mu.Lock()
	wanted := maps.Clone(f.wanted)
	f.mu.Unlock()
	answer, err := f.askAny(ctx, &metadata.Request{TopicNames: slices.Sorted(maps.Keys(wanted))})
	if err != nil {
		return &sinks.Error{Reason: reasonOf(err), Err: err}
	}
	now := f.clusterOf(answer.(*metadata.Response), wanted)
	if missing := now.missing(); len(missing) > 0 && f.opt.CreateTopics {
		f.create(ctx, now, missing)
	}
	for _, t := range now.topics {
		f.confirmShrunk(ctx, now, t)
	}
	f.seen.Store(now)
	for _, name := range f.opt.Topics {
		switch t := now.topics[name]; {
		case t == nil:
			return &sinks.Error{Reason: sinks.ReasonUnavailable, Err: errNotAsked}
		case t.err != nil:
			return t.err
		}
	}
	return nil
}

// clusterOf makes a cluster of an answer. What was known of a topic before is
// carried over; of one that is new, what was wanted of it.
func (f *Forwarder) clusterOf(answer *metadata.Response, wanted map[string]int64) *cluster {
	hash := fnv.New64a()
	hash.Write([]byte(answer.ClusterID))
	c := &cluster{id: hash.Sum64(), brokers: make(map[int32]string, len(answer.Brokers)), topics: make(map[string]*topic, len(answer.Topics))}
	for _, b := range answer.Brokers {
		c.brokers[b.NodeID] = net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))
	}
	c.controller = c.brokers[answer.ControllerID]
	before, instant := f.seen.Load(), f.opt.Now()
	for i := range answer.Topics {
		t := topicOf(&answer.Topics[i])
		if before != nil && before.topics[t.name] != nil {
			t.follow(before.topics[t.name], instant)
		} else {
			t.since = instant
			t.atLeast(wanted[t.name])
			t.spread.placed.Store(rand.Uint64N(1<<32) * spreadRun) // nodes begin at different partitions
		}
		t.atLeast(int64(len(t.leaders)))
		c.topics[t.name] = t
	}
	return c
}

func topicOf(r *metadata.ResponseTopic) *topic {
	t := &topic{name: r.Name, spread: &spread{}, most: new(atomic.Int64)}
	n := len(r.Partitions)
	if r.ErrorCode != 0 || n == 0 {
		code := kafkago.Error(r.ErrorCode)
		if code == 0 {
			code = kafkago.LeaderNotAvailable
		}
		t.err = &sinks.Error{Reason: topicReason(code), Err: fmt.Errorf("asking for topic %q: %w", r.Name, code)}
		return t
	}
	t.leaders = make([]int32, n)
	for i := range t.leaders {
		t.leaders[i] = -1
	}
	for _, p := range r.Partitions {
		if p.PartitionIndex >= 0 && int(p.PartitionIndex) < n && p.LeaderID >= 0 {
			t.leaders[p.PartitionIndex] = p.LeaderID
		}
	}
	for i, node := range t.leaders {
		if node >= 0 {
			t.led = append(t.led, int32(i))
		}
	}
	if t.led == nil {
		for i := range t.leaders {
			t.led = append(t.led, int32(i))
		}
	}
	return t
}

// missing returns the names of topics that do not exist.
func (c *cluster) missing() (names []string) {
	for name, t := range c.topics {
		if t.err != nil && t.err.Reason == sinks.ReasonNoTopic {
			names = append(names, name)
		}
	}
	return names
}

// leader returns the address of the broker that leads a partition. One that is
// not known is asked for, once. One that is gone is ReasonUnplaced.
func (f *Forwarder) leader(ctx context.Context, p sinks.Partition) (string, *cluster, error) {
	for asked := false; ; asked = true {
		c := f.seen.Load()
		if c != nil {
			if t := c.topics[p.Topic]; t != nil {
				if t.gone.IsZero() {
					t.atLeast(int64(p.Number) + 1)
				}
				if t.err != nil {
					return "", nil, t.err
				}
				switch {
				case int(p.Number) < len(t.leaders):
					if addr, ok := c.brokers[t.leaders[p.Number]]; ok {
						return addr, c, nil
					}
				case !t.gone.IsZero():
					return "", nil, &sinks.Error{Reason: sinks.ReasonUnplaced, Err: errNoPartition}
				}
			}
		}
		if asked {
			return "", nil, f.leaderless()
		}
		if err := sinks.ValidTopic(p.Topic); err != nil || p.Number < 0 {
			return "", nil, &sinks.Error{Reason: sinks.ReasonBadTopic, Err: err}
		}
		f.want(p.Topic, int64(p.Number)+1)
		if err := f.refreshed(ctx); err != nil {
			return "", nil, err
		}
	}
}

// leaderless returns why a refresh did not bring a leader.
func (f *Forwarder) leaderless() error {
	if e := f.notReady.Load(); e != nil {
		return e
	}
	return &sinks.Error{Reason: sinks.ReasonUnavailable, Err: errNoLeader}
}

// askAny asks brokers one after another until one answers, the one that did
// last first.
func (f *Forwarder) askAny(ctx context.Context, msg protocol.Message) (answer protocol.Message, err error) {
	addrs := slices.Clone(f.opt.Brokers)
	rand.Shuffle(len(addrs), func(i, j int) { addrs[i], addrs[j] = addrs[j], addrs[i] })
	if c := f.seen.Load(); c != nil {
		for _, addr := range c.brokers { // in random order
			if !slices.Contains(addrs, addr) {
				addrs = append(addrs, addr)
			}
		}
	}
	if last := f.answered.Load(); last != nil {
		addrs = slices.DeleteFunc(addrs, func(a string) bool { return a == *last })
		addrs = slices.Insert(addrs, 0, *last)
	}
	var errs []error
	for i := range min(attempts, len(addrs)) {
		one, cancel := context.WithTimeout(ctx, f.opt.Timeout/attempts)
		answer, err = f.conns.ask(one, addrs[i], msg)
		cancel()
		if err == nil {
			f.answered.Store(&addrs[i])
			return answer, nil
		}
		errs = append(errs, err)
	}
	f.answered.Store(nil)
	return nil, errors.Join(errs...)
}
