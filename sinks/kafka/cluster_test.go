package kafka

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"assent/sinks"
	kafkatest "assent/test/kafka"
)

func TestTopicsAreCreatedOnlyWhenAllowed(t *testing.T) {
	b := kafkatest.Shared(t)
	partition := func(t *testing.T, f *Forwarder, topic string, want sinks.Reason) {
		t.Helper()
		eventually(t, func() error {
			if _, err := f.Partition(topic, []byte("k")); sinks.ReasonOf(err) != want {
				return fmt.Errorf("%v, want reason %s", err, want)
			}
			return nil
		})
	}
	t.Run("forbidden", func(t *testing.T) {
		f := open(t, b, func(o *Options) { o.CreateTopics = false })
		partition(t, f, "absent", sinks.ReasonNoTopic)
		_, err := f.Reserve(t.Context(), sinks.Partition{Topic: "absent"}, 1)
		wantError(t, err, sinks.ReasonNoTopic)
		if err := f.Ready(); err != nil {
			t.Errorf("%v: a topic that was not required", err)
		}
		if _, there := b.Topics(t)["absent"]; there {
			t.Error("the topic was created")
		}
		b.CreateTopic(t, "absent", 1)
		deliver(t, f, partitionOf(t, f, "absent", "k"), records("a", 1))
	})
	t.Run("forbidden, required", func(t *testing.T) {
		f, err := Open(Options{Brokers: []string{b.Addr}, Topics: []string{"missing"}})
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		partition(t, f, "missing", sinks.ReasonNoTopic)
		wantError(t, f.Ready(), sinks.ReasonNoTopic)
	})
	t.Run("allowed", func(t *testing.T) {
		f := open(t, b, func(o *Options) { o.Topics = []string{"atstart"}; o.Partitions = 5 })
		if n := b.Topics(t)["atstart"]; n != 5 {
			t.Errorf("the topic named at start has %d partitions when all is ready, want 5", n)
		}
		var together sync.WaitGroup
		for i := range 8 {
			together.Go(func() {
				partitionOf(t, f, fmt.Sprint("later.", i%2), "k")
			})
		}
		together.Wait()
		for _, topic := range []string{"later.0", "later.1"} {
			deliver(t, f, partitionOf(t, f, topic, "k"), records("a", 1))
			wantIDs(t, b, topic, "a-0")
		}
	})
	t.Run("allowed, broker's own number", func(t *testing.T) {
		f := open(t, b, nil)
		partitionOf(t, f, "byDefault", "k")
		if n := b.Topics(t)["byDefault"]; n != 3 {
			t.Errorf("%d partitions, want the broker's 3", n)
		}
	})
	t.Run("allowed, but not so", func(t *testing.T) {
		f := open(t, b, func(o *Options) { o.Replication = 3 })
		partition(t, f, "threefold", sinks.ReasonNoTopic)
	})
	t.Run("no name", func(t *testing.T) {
		f := open(t, b, nil)
		_, err := f.Partition("../x", nil)
		wantError(t, err, sinks.ReasonBadTopic)
		_, err = f.Send(t.Context(), sinks.Partition{Topic: "../x"}, (&reservation{count: 1}).append(nil), provided(records("a", 1)), false)
		wantError(t, err, sinks.ReasonBadTopic)
	})
}

// A reservation's partition that the cluster does not have, or not any more, waits.
func TestNoSuchPartition(t *testing.T) {
	b := kafkatest.Shared(t)
	topic := topicFor(t, b, 1)
	f := open(t, b, nil)
	_, err := f.Reserve(t.Context(), sinks.Partition{Topic: topic, Number: 4}, 1)
	wantError(t, err, sinks.ReasonUnavailable)
	if !errors.Is(err, errNoLeader) {
		t.Errorf("%v, want %v", err, errNoLeader)
	}
}
