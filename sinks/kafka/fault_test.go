package kafka

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"assent/sinks"
	kafkatest "assent/test/kafka"
)

// One broker goes through everything that can happen to it, in the order that
// needs the fewest restarts.
func TestBrokerFaults(t *testing.T) {
	const timeout = 3 * time.Second
	b := kafkatest.Start(t)
	topic := topicOf(t, b, 2)
	one := func() *sinks.Batch { return batch(sinks.Record{Topic: topic, Value: []byte(`{"probe":true}`)}) }

	b.Kill(t)
	s, err := Open(Options{Brokers: []string{b.Addr}, Topics: []string{topic}, Timeout: timeout})
	if err != nil {
		t.Fatalf("opening while the broker is away: %v", err)
	}
	defer s.Close(context.Background())
	wantFailure(t, s, one(), sinks.ReasonUnavailable, timeout+time.Second)
	if s.Ready() == nil {
		t.Fatal("ready while the broker is away")
	}

	b.Restart(t)
	waitReady(t, s)
	mustCommit(t, s, one())

	t.Run("frozen", func(t *testing.T) { frozenBroker(t, b, s, topic, timeout) })
	waitReady(t, s)
	t.Run("killed", func(t *testing.T) { killedBroker(t, b, s, topic) })
}

// frozenBroker: connections stay open and nobody answers. The caller's memory
// is its own again when Commit returns, though the message is still to be sent.
func frozenBroker(t *testing.T, b *kafkatest.Broker, s *Sink, topic string, timeout time.Duration) {
	b.Pause(t)
	mine := bytes.Repeat([]byte("A"), 100_000)
	value := fmt.Appendf(nil, `{"visitor":"%s"}`, mine)
	key := []byte("AAAA")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	err := s.Commit(ctx, batch(sinks.Record{Topic: topic, Key: key, Value: value, Headers: []sinks.Header{{Key: "h", Value: key}}}))
	if sinks.ReasonOf(err) != sinks.ReasonCanceled {
		t.Errorf("Commit = %v, want reason canceled", err)
	}
	for i := range value {
		value[i] = 'B'
	}
	copy(key, "BBBB")
	wantFailure(t, s, batch(sinks.Record{Topic: topic, Value: []byte(`{}`)}), sinks.ReasonTimeout, timeout+time.Second)
	if s.Ready() == nil {
		t.Error("ready while the broker is frozen")
	}
	b.Resume(t)
	waitReady(t, s)
	mustCommit(t, s, batch(sinks.Record{Topic: topic, Key: []byte("AAAA"), Value: []byte(`{}`)})) // same partition: comes after
	for limit := time.Now().Add(5 * time.Second); s.pending.Load() != 0 && time.Now().Before(limit); time.Sleep(10 * time.Millisecond) {
	}
	found := false
	for _, m := range b.ReadAll(t, topic) {
		if bytes.ContainsAny([]byte(text(m.Value)+text(m.Key)+m.Header("h")), "B") {
			t.Error("memory that was the caller's again was sent")
		}
		found = found || len(text(m.Value)) > len(mine)
	}
	if !found {
		t.Error("the record did not arrive after all; the test proves nothing")
	}
}

// killedBroker: what was acknowledged before, during and after is there.
func killedBroker(t *testing.T, b *kafkatest.Broker, s *Sink, topic string) {
	var mu sync.Mutex
	acknowledged := make(map[string]bool)
	var stop atomic.Bool
	var failures atomic.Int64
	var running sync.WaitGroup
	for c := range 8 {
		running.Go(func() {
			for i := 0; !stop.Load(); i++ {
				value := fmt.Sprintf(`{"c":%d,"i":%d}`, c, i)
				switch err := s.Commit(context.Background(), batch(sinks.Record{Topic: topic, Value: []byte(value)})); {
				case err == nil:
					mu.Lock()
					acknowledged[value] = true
					mu.Unlock()
				case sinks.ClassOf(err) != sinks.Retriable:
					t.Errorf("Commit = %v, want a retriable error", err)
					return
				default:
					failures.Add(1)
				}
			}
		})
	}
	time.Sleep(500 * time.Millisecond)
	b.Kill(t)
	time.Sleep(500 * time.Millisecond)
	b.Restart(t)
	waitReady(t, s)
	time.Sleep(500 * time.Millisecond)
	stop.Store(true)
	running.Wait()
	if failures.Load() == 0 {
		t.Error("no commit failed while the broker was away")
	}
	n := len(acknowledged)
	for _, m := range b.ReadAll(t, topic) {
		delete(acknowledged, text(m.Value))
	}
	if n == 0 || len(acknowledged) != 0 {
		t.Errorf("%d of %d acknowledged records are lost", len(acknowledged), n)
	}
}
