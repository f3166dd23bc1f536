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
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/createtopics"
	"github.com/segmentio/kafka-go/protocol/metadata"

	"assent/sinks"
)

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

var errCreated = errors.New("the topic has just been created")

// create creates topics that do not exist and notes on each why it cannot be had
// yet, or at all. The broker decides about their configuration but for the two
// numbers in Options.
func (f *Forwarder) create(ctx context.Context, c *cluster, names []string) {
	req := &createtopics.Request{TimeoutMs: int32(f.opt.Timeout.Milliseconds())}
	for _, name := range names {
		req.Topics = append(req.Topics, createtopics.RequestTopic{
			Name: name, NumPartitions: int32(orDefault(f.opt.Partitions)), ReplicationFactor: int16(orDefault(f.opt.Replication)),
		})
	}
	note := func(name string, reason sinks.Reason, err error) {
		c.topics[name].err = &sinks.Error{Reason: reason, Err: err}
	}
	answer, err := f.conns.ask(ctx, c.controller, req)
	if err != nil {
		for _, name := range names {
			note(name, reasonOf(err), fmt.Errorf("creating topics: %w", err))
		}
		return
	}
	for _, t := range answer.(*createtopics.Response).Topics {
		if c.topics[t.Name] == nil {
			continue
		}
		switch code := kafkago.Error(t.ErrorCode); code {
		case 0, kafkago.TopicAlreadyExists:
			note(t.Name, sinks.ReasonUnavailable, errCreated)
			f.refreshSoon()
		default:
			note(t.Name, topicReason(code), fmt.Errorf("creating topic %q: %w", t.Name, code))
		}
	}
}

// orDefault returns the number by which the protocol asks for the broker's
// default (KIP-464) when n is 0.
func orDefault(n int) int {
	if n == 0 {
		return -1
	}
	return n
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
