package kafka

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"assent/sinks"
	kafkatest "assent/test/kafka"
)

// open returns a forwarder to b that is ready.
func open(t testing.TB, b *kafkatest.Broker, set func(*Options)) *Forwarder {
	t.Helper()
	opt := Options{Brokers: []string{b.Addr}, CreateTopics: true}
	if set != nil {
		set(&opt)
	}
	return openWith(t, opt)
}

func openWith(t testing.TB, opt Options) *Forwarder {
	t.Helper()
	f, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	waitReady(t, f)
	return f
}

// eventually tries for a while until f returns nil.
func eventually(t testing.TB, f func() error) {
	t.Helper()
	err := f()
	for limit := time.Now().Add(20 * time.Second); err != nil; err = f() {
		if time.Now().After(limit) {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func waitReady(t testing.TB, f *Forwarder) { t.Helper(); eventually(t, f.Ready) }

// topicFor creates a topic of the test's own. Each of settings is a NAME=VALUE of
// the topic.
func topicFor(t testing.TB, b *kafkatest.Broker, partitions int, settings ...string) string {
	t.Helper()
	topic := "t." + strings.NewReplacer("/", ".", "#", ".", "=", "-", " ", "-", ",", "").Replace(t.Name())
	config := kafkago.TopicConfig{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1}
	for _, s := range settings {
		name, value, _ := strings.Cut(s, "=")
		config.ConfigEntries = append(config.ConfigEntries, kafkago.ConfigEntry{ConfigName: name, ConfigValue: value})
	}
	client := &kafkago.Client{Addr: kafkago.TCP(b.Addr), Transport: &kafkago.Transport{}}
	res, err := client.CreateTopics(t.Context(), &kafkago.CreateTopicsRequest{Topics: []kafkago.TopicConfig{config}})
	if err == nil {
		err = res.Errors[topic]
	}
	if err != nil {
		t.Fatal(err)
	}
	return topic
}

// record returns one as the collector seals them.
func record(key, id, value string) sinks.Outgoing {
	r := sinks.Record{Value: []byte(value), Headers: []sinks.Header{{Key: "ce_id", Value: []byte(id)}, {Key: "privacy-regime", Value: []byte("gdpr")}}}
	if key != "" {
		r.Key = []byte(key)
	}
	return sinks.Outgoing{Body: sinks.AppendBody(nil, &r), Time: time.Now().UnixMilli()}
}

// nulled returns what takes the place of a record that was withheld.
func nulled(key string) sinks.Outgoing {
	r := sinks.Record{Key: []byte(key), Headers: []sinks.Header{{Key: "privacy-withheld", Value: []byte("1")}}}
	return sinks.Outgoing{Body: sinks.AppendBody(nil, &r), Time: time.Now().UnixMilli()}
}

// records returns n of them with ids that begin with prefix.
func records(prefix string, n int) []sinks.Outgoing {
	all := make([]sinks.Outgoing, n)
	for i := range all {
		all[i] = record("k", fmt.Sprintf("%s-%d", prefix, i), fmt.Sprintf(`{"n":%d}`, i))
	}
	return all
}

func reserve(t testing.TB, f *Forwarder, p sinks.Partition, n int) []byte {
	t.Helper()
	var reservation []byte
	eventually(t, func() (err error) {
		reservation, err = f.Reserve(t.Context(), p, n)
		return err
	})
	return reservation
}

// mustSend sends and wants the records stored.
func mustSend(t testing.TB, f *Forwarder, p sinks.Partition, reservation []byte, all []sinks.Outgoing, again bool) sinks.Sent {
	t.Helper()
	sent, err := f.Send(t.Context(), p, reservation, provided(all), again)
	if err != nil {
		t.Fatal(err)
	}
	return sent
}

// deliver reserves and sends until the records are stored.
func deliver(t testing.TB, f *Forwarder, p sinks.Partition, all []sinks.Outgoing) {
	t.Helper()
	reservation, again := reserve(t, f, p, len(all)), false
	eventually(t, func() error {
		_, err := f.Send(t.Context(), p, reservation, provided(all), again)
		again = true
		return err
	})
}

// partitionOf waits until the topic is known.
func partitionOf(t testing.TB, f *Forwarder, topic, key string) sinks.Partition {
	t.Helper()
	var p sinks.Partition
	var k []byte
	if key != "" {
		k = []byte(key)
	}
	eventually(t, func() (err error) {
		p, err = f.Partition(topic, k)
		return err
	})
	return p
}

// wantError wants an error of that reason.
func wantError(t testing.TB, err error, want sinks.Reason) {
	t.Helper()
	if err == nil || sinks.ReasonOf(err) != want {
		t.Fatalf("%v, want reason %s", err, want)
	}
}

// idsOf returns the event ids in a topic, in order of partition and offset.
func idsOf(t testing.TB, b *kafkatest.Broker, topic string) string {
	t.Helper()
	var ids []string
	for _, m := range b.ReadAll(t, topic) {
		id := m.Header("ce_id")
		if id == "" {
			id = "(none)"
		}
		ids = append(ids, id)
	}
	return strings.Join(ids, " ")
}

func wantIDs(t testing.TB, b *kafkatest.Broker, topic, want string) {
	t.Helper()
	if got := idsOf(t, b, topic); got != want {
		t.Errorf("in %s\n%s\nwant\n%s", topic, got, want)
	}
}

func TestSendKeepsEveryPartOfARecord(t *testing.T) {
	b := kafkatest.Shared(t)
	topic := topicFor(t, b, 1)
	f := open(t, b, nil)
	records := []sinks.Record{
		{Key: []byte("visitor-1"), Value: []byte(`{"n":1}`), Headers: []sinks.Header{
			{Key: "ce_id", Value: []byte("a")}, {Key: "privacy-regime", Value: []byte("gdpr,uk")}, {Key: "empty", Value: []byte{}},
		}},
		{Value: []byte(`{"n":2,"é":"ü"}`)},
		{Key: []byte("visitor-2"), Headers: []sinks.Header{{Key: "privacy-withheld", Value: []byte("1")}}},
	}
	now := time.Now().UnixMilli()
	var all []sinks.Outgoing
	for i := range records {
		all = append(all, sinks.Outgoing{Body: sinks.AppendBody(nil, &records[i]), Time: now - int64(i*i)*1000})
	}
	p := partitionOf(t, f, topic, "visitor-1")
	if sent := mustSend(t, f, p, reserve(t, f, p, 3), all, false); sent != (sinks.Sent{}) {
		t.Errorf("%+v, want offset 0, not repeated", sent)
	}
	var got strings.Builder
	for i, m := range b.ReadAll(t, topic) {
		if m.Time != all[i].Time {
			t.Errorf("offset %d has time %d, want %d", m.Offset, m.Time, all[i].Time)
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

func TestClose(t *testing.T) {
	f := open(t, kafkatest.Shared(t), nil)
	p := partitionOf(t, f, "closing", "")
	for range 2 {
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	_, err := f.Reserve(context.Background(), p, 1)
	wantError(t, err, sinks.ReasonClosed)
	wantError(t, f.Ready(), sinks.ReasonClosed)
}

// provided gives records as they are.
func provided(all []sinks.Outgoing) sinks.Provider {
	return func() ([]sinks.Outgoing, error) { return all, nil }
}

// A clock stands at an instant until it is moved.
type clock struct{ at atomic.Pointer[time.Time] }

func newClock() *clock {
	c, now := &clock{}, time.Now()
	c.at.Store(&now)
	return c
}

func (c *clock) Now() time.Time { return *c.at.Load() }

func (c *clock) Add(d time.Duration) {
	then := c.Now().Add(d)
	c.at.Store(&then)
}
