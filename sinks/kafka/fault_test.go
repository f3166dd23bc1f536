package kafka

import (
	"context"
	"fmt"
	"strings"
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
	topic := topicFor(t, b, 4)
	b.Kill(t)
	f, err := Open(Options{Brokers: []string{b.Addr}, Topics: []string{topic}, Timeout: timeout})
	if err != nil {
		t.Fatalf("opening while the broker is away: %v", err)
	}
	defer f.Close()
	_, err = f.Partition(topic, []byte("k"))
	wantError(t, err, sinks.ReasonUnavailable)
	_, err = f.Reserve(t.Context(), sinks.Partition{Topic: topic}, 1)
	wantError(t, err, sinks.ReasonUnavailable)
	wantError(t, f.Ready(), sinks.ReasonUnavailable)
	b.Restart(t)
	waitReady(t, f)

	t.Run("frozen", func(t *testing.T) { frozenBroker(t, b, f, topic, timeout) })
	t.Run("killed", func(t *testing.T) { killedBroker(t, b, f, topic) })
}

// frozenBroker: connections stay open and nobody answers. The records' memory
// is the caller's again when Send returns, and what was sent arrives whole.
func frozenBroker(t *testing.T, b *kafkatest.Broker, f *Forwarder, topic string, timeout time.Duration) {
	p := partitionOf(t, f, topic, "frozen")
	reservation := reserve(t, f, p, 1)
	all := []sinks.Outgoing{record("frozen", "frozen", `{"visitor":"`+strings.Repeat("A", 900_000)+`"}`)}
	b.Pause(t)
	for _, wait := range []time.Duration{200 * time.Millisecond, time.Minute} {
		mine := []sinks.Outgoing{{Body: append([]byte{}, all[0].Body...), Time: all[0].Time}}
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		start := time.Now()
		_, err := f.Send(ctx, p, reservation, provided(mine), wait > timeout)
		wantError(t, err, sinks.ReasonTimeout)
		cancel()
		if took := time.Since(start); took > 30*time.Second { // where the context would allow a minute
			t.Errorf("Send took %s, want %s", took, timeout)
		}
		clear(mine[0].Body)
	}
	eventually(t, func() error {
		if f.Ready() == nil {
			return fmt.Errorf("ready while the broker is frozen")
		}
		return nil
	})
	b.Resume(t)
	waitReady(t, f)
	eventually(t, func() error {
		_, err := f.Send(t.Context(), p, reservation, provided(all), true)
		return err
	})
	wantIDs(t, b, topic, "frozen")
	for _, m := range b.ReadAll(t, topic) {
		if n := strings.Count(text(m.Value), "A"); n != 900_000 {
			t.Errorf("%d bytes of 900000 arrived", n)
		}
	}
}

// killedBroker: eight partitions in a hurry while the broker is killed and restarted
// twice; every batch is there once, in order.
func killedBroker(t *testing.T, b *kafkatest.Broker, f *Forwarder, topic string) {
	var stop atomic.Bool
	var failures, batches atomic.Int64
	var running sync.WaitGroup
	sent := make([]int, 4)
	for p := range sent {
		to := sinks.Partition{Topic: topic, Number: int32(p)}
		running.Go(func() {
			for ; !stop.Load() || sent[p] == 0; sent[p]++ {
				reservation, again := reserve(t, f, to, 20), false
				all := records(fmt.Sprintf("%d.%d", p, sent[p]), 20)
				for {
					_, err := f.Send(context.Background(), to, reservation, provided(all), again)
					if err == nil {
						break
					}
					if r := sinks.ReasonOf(err); r.Class() != sinks.Retriable || r == sinks.ReasonUnplaced || r == sinks.ReasonDoubtful {
						t.Errorf("Send = %v, want a retriable error", err)
						return
					}
					failures.Add(1)
					again = true
					time.Sleep(20 * time.Millisecond)
				}
				batches.Add(1)
			}
		})
	}
	for range 2 {
		time.Sleep(time.Second)
		b.Kill(t)
		time.Sleep(300 * time.Millisecond)
		b.Restart(t)
		waitReady(t, f)
	}
	time.Sleep(500 * time.Millisecond)
	stop.Store(true)
	running.Wait()
	if failures.Load() == 0 {
		t.Error("no send failed while the broker was away; the test proves nothing")
	}
	t.Logf("%d batches, %d failed sends", batches.Load(), failures.Load())
	next := make([]int, 4)
	for _, m := range b.ReadAll(t, topic) {
		if m.Header("ce_id") == "frozen" {
			continue
		}
		want := fmt.Sprintf("%d.%d-%d", m.Partition, next[m.Partition]/20, next[m.Partition]%20)
		if m.Header("ce_id") != want {
			t.Fatalf("partition %d offset %d holds %s, want %s", m.Partition, m.Offset, m.Header("ce_id"), want)
		}
		next[m.Partition]++
	}
	for p, n := range next {
		if n != 20*sent[p] {
			t.Errorf("partition %d holds %d records, want %d", p, n, 20*sent[p])
		}
	}
}
