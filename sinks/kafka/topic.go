package kafka

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/metadata"

	"assent/sinks"
)

var (
	errNoPartition = errors.New("the partition no longer exists")
	errShrunk      = &sinks.Error{Reason: sinks.ReasonUnavailable, Err: errors.New("the topic has fewer partitions than were known")}
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

// shrunk reports whether the topic lacks partitions that were known, by an answer or
// by a reservation. No record gets a partition then: the records of the partitions
// that may be gone come first.
func (t *topic) shrunk() bool { return t.most.Load() > int64(len(t.leaders)) }

// atLeast notes that there are, or were, so many partitions.
func (t *topic) atLeast(n int64) {
	for most := t.most.Load(); most < n && !t.most.CompareAndSwap(most, n); most = t.most.Load() {
	}
}

// whole reports whether the topic is there and each of its partitions has a
// leader.
func (t *topic) whole() bool { return t.err == nil && !slices.Contains(t.leaders, -1) }

// follow takes over what was known before this answer. An answer with another number
// of partitions, or one that is not whole, begins the time of agreement anew.
func (t *topic) follow(before *topic, now time.Time) {
	t.spread, t.most, t.since = before.spread, before.most, now
	if t.whole() && len(t.leaders) == len(before.leaders) {
		t.since, t.gone = before.since, before.gone
	}
}
