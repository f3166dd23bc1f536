package kafka

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"assent/sinks"
	kafkatest "assent/test/kafka"
)

// open returns a sink on b that is ready.
func open(t *testing.T, b *kafkatest.Broker, set func(*Options)) *Sink {
	t.Helper()
	opt := Options{Brokers: []string{b.Addr}, CreateTopics: true}
	if set != nil {
		set(&opt)
	}
	s, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	waitReady(t, s)
	return s
}

func waitReady(t *testing.T, s *Sink) {
	t.Helper()
	for limit := time.Now().Add(20 * time.Second); s.Ready() != nil; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("not ready: %v", s.Ready())
		}
	}
}

// topicOf creates a topic of the test's own.
func topicOf(t *testing.T, b *kafkatest.Broker, partitions int, settings ...kafkago.ConfigEntry) string {
	t.Helper()
	topic := "t." + strings.NewReplacer("/", ".", "#", ".", "=", "-").Replace(t.Name())
	client := &kafkago.Client{Addr: kafkago.TCP(b.Addr), Transport: &kafkago.Transport{}}
	res, err := client.CreateTopics(t.Context(), &kafkago.CreateTopicsRequest{Topics: []kafkago.TopicConfig{
		{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1, ConfigEntries: settings},
	}})
	if err == nil {
		err = res.Errors[topic]
	}
	if err != nil {
		t.Fatal(err)
	}
	return topic
}

func batch(records ...sinks.Record) *sinks.Batch { return &sinks.Batch{Records: records} }

func mustCommit(t *testing.T, s *Sink, b *sinks.Batch) {
	t.Helper()
	if err := s.Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

func TestCommitKeepsEveryPartOfARecord(t *testing.T) {
	b := kafkatest.Shared(t)
	topic := topicOf(t, b, 1)
	s := open(t, b, nil)
	start := time.Now()
	mustCommit(t, s, batch(
		sinks.Record{Topic: topic, Key: []byte("visitor-1"), Value: []byte(`{"n":1}`), Headers: []sinks.Header{
			{Key: "ce_id", Value: []byte("a")}, {Key: "privacy-regime", Value: []byte("gdpr,uk")}, {Key: "empty", Value: []byte{}},
		}},
		sinks.Record{Topic: topic, Value: []byte(`{"n":2,"é":"ü"}`)},
		sinks.Record{Topic: topic, Key: []byte("visitor-2"), Headers: []sinks.Header{{Key: "privacy-withheld", Value: []byte("1")}}},
	))
	var got strings.Builder
	for _, m := range b.ReadAll(t, topic) {
		if age := time.UnixMilli(m.Time).Sub(start); age < -time.Second || age > time.Minute {
			t.Errorf("offset %d has a time %s away", m.Offset, age)
		}
		fmt.Fprintf(&got, "%d %s %s %q\n", m.Offset, text(m.Key), text(m.Value), m.Headers)
	}
	const want = `0 visitor-1 {"n":1} ["ce_id" "a" "privacy-regime" "gdpr,uk" "empty" ""]
1 (null) {"n":2,"é":"ü"} []
2 visitor-2 (null) ["privacy-withheld" "1"]
`
	if got.String() != want {
		t.Errorf("kcat reads\n%swant\n%s", got.String(), want)
	}
}

func text(s *string) string {
	if s == nil {
		return "(null)"
	}
	return *s
}

func TestCompressionOnTheWire(t *testing.T) {
	b := kafkatest.Shared(t)
	// The codes of the record batch's attributes, bits 0 to 2.
	for name, code := range map[string]uint16{"": 4, "zstd": 4, "gzip": 1, "snappy": 2, "lz4": 3, "none": 0} {
		t.Run("codec="+name, func(t *testing.T) {
			topic := topicOf(t, b, 1)
			s := open(t, b, func(o *Options) { o.Compression = name })
			value := []byte(`{"x":"` + strings.Repeat("again ", 200) + `"}`)
			mustCommit(t, s, batch(sinks.Record{Topic: topic, Value: value}))
			log, err := os.ReadFile(b.LogFile(topic, 0))
			if err != nil {
				t.Fatal(err)
			}
			if got := binary.BigEndian.Uint16(log[21:]) & 7; got != code {
				t.Errorf("codec %d on the wire, want %d", got, code)
			}
			if all := b.ReadAll(t, topic); len(all) != 1 || text(all[0].Value) != string(value) {
				t.Errorf("kcat reads %d records that are not the one sent", len(all))
			}
		})
	}
}

// The broker's own request log says what it was asked to wait for.
func TestAcknowledgedByAllInSyncReplicas(t *testing.T) {
	b := kafkatest.Shared(t)
	topic := topicOf(t, b, 1)
	s := open(t, b, nil)
	level := func(level string) {
		if _, err := s.client.IncrementalAlterConfigs(t.Context(), &kafkago.IncrementalAlterConfigsRequest{
			Resources: []kafkago.IncrementalAlterConfigsRequestResource{{
				ResourceType: 8, ResourceName: "1", // the loggers of broker 1
				Configs: []kafkago.IncrementalAlterConfigsRequestConfig{{Name: "kafka.request.logger", Value: level}},
			}},
		}); err != nil {
			t.Fatal(err)
		}
	}
	level("DEBUG")
	mustCommit(t, s, batch(sinks.Record{Topic: topic, Value: []byte(`{}`)}))
	level("WARN")
	var produced [][]byte
	for line := range bytes.Lines(b.Log(t)) {
		if bytes.Contains(line, []byte(`"requestApiKeyName":"PRODUCE"`)) && bytes.Contains(line, []byte(topic)) {
			produced = append(produced, line)
		}
	}
	if len(produced) != 1 || !bytes.Contains(produced[0], []byte(`"acks":-1`)) {
		t.Errorf("the broker logged %q, want one produce request with acks -1", produced)
	}
}

// wantFailure commits and wants an error of that reason within bound.
func wantFailure(t *testing.T, s *Sink, b *sinks.Batch, want sinks.Reason, bound time.Duration) {
	t.Helper()
	start := time.Now()
	err := s.Commit(t.Context(), b)
	if err == nil || sinks.ReasonOf(err) != want {
		t.Fatalf("Commit = %v, want reason %s", err, want)
	}
	if took := time.Since(start); took > bound {
		t.Errorf("Commit took %s, want at most %s", took, bound)
	}
}

func TestTooLarge(t *testing.T) {
	b := kafkatest.Shared(t)
	s := open(t, b, func(o *Options) { o.MaxBatchBytes = 100_000; o.Linger = 200 * time.Millisecond; o.Compression = "none" })
	topic := topicOf(t, b, 1, kafkago.ConfigEntry{ConfigName: "max.message.bytes", ConfigValue: "20000"})
	sized := func(n int) *sinks.Batch {
		return batch(sinks.Record{Topic: topic, Value: []byte(`{"x":"` + strings.Repeat("x", n) + `"}`)})
	}
	err := s.Commit(t.Context(), sized(200_000)) // more than the sink takes
	if sinks.ClassOf(err) != sinks.TooLarge || strings.Contains(err.Error(), "xxx") {
		t.Errorf("Commit = %v, want class too large and no value", err)
	}
	var large kafkago.MessageTooLargeError
	if errors.As(err, &large) {
		t.Error("the error carries the message")
	}
	// More than the topic takes, in one produce request with small ones.
	var together sync.WaitGroup
	for i := range 8 {
		together.Go(func() {
			if i == 3 {
				if err := s.Commit(context.Background(), sized(50_000)); sinks.ClassOf(err) != sinks.TooLarge {
					t.Errorf("Commit of a large record = %v, want class too large", err)
				}
			} else if err := s.Commit(context.Background(), sized(100)); err != nil {
				t.Errorf("Commit of its neighbour: %v", err)
			}
		})
	}
	together.Wait()
	if n := len(b.ReadAll(t, topic)); n != 7 {
		t.Errorf("kcat reads %d records, want the 7 small ones", n)
	}
}

func TestTopicsAreCreatedOnlyWhenAllowed(t *testing.T) {
	b := kafkatest.Shared(t)
	t.Run("forbidden", func(t *testing.T) {
		s := open(t, b, func(o *Options) { o.CreateTopics = false })
		wantFailure(t, s, batch(sinks.Record{Topic: "absent", Value: []byte(`{}`)}), sinks.ReasonNoTopic, time.Second)
		if _, there := b.Topics(t)["absent"]; there {
			t.Error("the topic was created")
		}
	})
	t.Run("forbidden, known from the start", func(t *testing.T) {
		s, err := Open(Options{Brokers: []string{b.Addr}, Topics: []string{"absent"}})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close(t.Context())
		for limit := time.Now().Add(5 * time.Second); sinks.ReasonOf(s.Ready()) != sinks.ReasonNoTopic; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(limit) {
				t.Fatalf("Ready = %v, want reason no_topic", s.Ready())
			}
		}
	})
	t.Run("allowed", func(t *testing.T) {
		s := open(t, b, func(o *Options) { o.Topics = []string{"atstart"}; o.Partitions = 5 })
		if n := b.Topics(t)["atstart"]; n != 5 {
			t.Errorf("the topic named at start has %d partitions when the sink is ready, want 5", n)
		}
		var together sync.WaitGroup
		for range 8 {
			together.Go(func() {
				if err := s.Commit(context.Background(), batch(
					sinks.Record{Topic: "later.a", Value: []byte(`{}`)}, sinks.Record{Topic: "later.b", Value: []byte(`{}`)},
				)); err != nil {
					t.Error(err)
				}
			})
		}
		together.Wait()
		if a, z := len(b.ReadAll(t, "later.a")), len(b.ReadAll(t, "later.b")); a != 8 || z != 8 {
			t.Errorf("%d and %d records in new topics, want 8 and 8", a, z)
		}
	})
	t.Run("allowed, broker's own number", func(t *testing.T) {
		s := open(t, b, nil)
		mustCommit(t, s, batch(sinks.Record{Topic: "byDefault", Value: []byte(`{}`)}))
		if n := b.Topics(t)["byDefault"]; n != 3 {
			t.Errorf("%d partitions, want the broker's 3", n)
		}
	})
	t.Run("no name", func(t *testing.T) {
		s := open(t, b, nil)
		wantFailure(t, s, batch(sinks.Record{Topic: "../x", Value: []byte(`{}`)}), sinks.ReasonBadTopic, time.Second)
	})
}

// Concurrent commits reuse their memory at once; every record must arrive once
// and whole, in order per caller, and calls must share requests.
func TestConcurrentCommits(t *testing.T) {
	const callers, each = 32, 50
	b := kafkatest.Shared(t)
	topic := topicOf(t, b, 4)
	s := open(t, b, nil)
	start := time.Now()
	var running sync.WaitGroup
	for c := range callers {
		running.Go(func() {
			var key, value []byte
			for i := range each {
				key = fmt.Appendf(key[:0], "caller-%d", c)
				value = fmt.Appendf(value[:0], `{"caller":%d,"i":%d}`, c, i)
				if err := s.Commit(context.Background(), batch(sinks.Record{Topic: topic, Key: key, Value: value})); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	running.Wait()
	t.Logf("%d commits by %d callers in %s", callers*each, callers, time.Since(start))
	next := make(map[string]int)
	for _, m := range b.ReadAll(t, topic) {
		var c, i int
		if _, err := fmt.Sscanf(text(m.Value), `{"caller":%d,"i":%d}`, &c, &i); err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("caller-%d", c); text(m.Key) != want || next[want] != i {
			t.Fatalf("key %s with %s, want record %d of %s", text(m.Key), text(m.Value), next[want], want)
		}
		next[text(m.Key)]++
	}
	if len(next) != callers {
		t.Errorf("%d callers' records arrived, want %d", len(next), callers)
	}
	for key, n := range next {
		if n != each {
			t.Errorf("%d records of %s, want %d", n, key, each)
		}
	}
}

func TestClose(t *testing.T) {
	s := open(t, kafkatest.Shared(t), nil)
	for range 2 {
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	wantFailure(t, s, batch(sinks.Record{Topic: "events", Value: []byte(`{}`)}), sinks.ReasonClosed, time.Second)
	if sinks.ReasonOf(s.Ready()) != sinks.ReasonClosed {
		t.Errorf("Ready = %v, want reason closed", s.Ready())
	}
}
