package kafkatest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// A Message is one record as kcat reports it.
type Message struct {
	Partition int
	Offset    int64
	Time      int64    // milliseconds since 1970
	Key       *string  // nil is the null key
	Value     *string  // nil is the null value
	Headers   []string // name, value, name, value, … in order
}

// Header returns the value of the first header of that name, "" if none.
func (m *Message) Header(name string) string {
	for i := 0; i+1 < len(m.Headers); i += 2 {
		if m.Headers[i] == name {
			return m.Headers[i+1]
		}
	}
	return ""
}

// Kcat runs kcat against the broker and returns what it prints.
func (b *Broker) Kcat(t testing.TB, args ...string) []byte {
	t.Helper()
	return b.kcat(t, "", args...)
}

func (b *Broker) kcat(t testing.TB, input string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("kcat", append([]string{"-b", b.Addr, "-m", "10"}, args...)...)
	cmd.Stdin = strings.NewReader(input)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("kcat %s: %v\n%s", strings.Join(args, " "), err, errs.Bytes())
	}
	return out
}

// ReadAll returns every record of a topic, by partition in order of offset.
func (b *Broker) ReadAll(t testing.TB, topic string) []Message {
	t.Helper()
	var all []Message
	lines := bytes.Lines(b.Kcat(t, "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-J", "-X", "check.crcs=true"))
	for line := range lines {
		var m struct {
			Partition int      `json:"partition"`
			Offset    int64    `json:"offset"`
			Time      int64    `json:"ts"`
			Key       *string  `json:"key"`
			Payload   *string  `json:"payload"`
			Headers   []string `json:"headers"`
		}
		if err := json.Unmarshal(line, &m); err != nil {
			t.Fatalf("reading kcat's output: %v", err)
		}
		all = append(all, Message{m.Partition, m.Offset, m.Time, m.Key, m.Payload, m.Headers})
	}
	return all
}

// Topics returns the number of partitions of every topic but Kafka's own.
func (b *Broker) Topics(t testing.TB) map[string]int {
	t.Helper()
	var list struct {
		Topics []struct {
			Topic      string `json:"topic"`
			Partitions []any  `json:"partitions"`
		} `json:"topics"`
	}
	if err := json.Unmarshal(b.Kcat(t, "-L", "-J"), &list); err != nil {
		t.Fatalf("reading kcat's output: %v", err)
	}
	topics := make(map[string]int)
	for _, topic := range list.Topics {
		if !strings.HasPrefix(topic.Topic, "__") {
			topics[topic.Topic] = len(topic.Partitions)
		}
	}
	return topics
}

// CreateTopic creates a topic with Kafka's own tool. Each of settings is a
// NAME=VALUE of the topic.
func (b *Broker) CreateTopic(t testing.TB, topic string, partitions int, settings ...string) {
	t.Helper()
	args := []string{"--create", "--topic", topic, "--partitions", strconv.Itoa(partitions)}
	for _, s := range settings {
		args = append(args, "--config", s)
	}
	b.Tool(t, "", "org.apache.kafka.tools.TopicCommand", args...)
}

// Tool runs one of Kafka's command line tools against the broker with input on
// its stdin and returns what it prints.
func (b *Broker) Tool(t testing.TB, input, class string, args ...string) []byte {
	t.Helper()
	libs, err := jars()
	if err != nil {
		t.Fatal(err)
	}
	cmd := b.java(libs, class, append([]string{"--bootstrap-server", b.Addr}, args...)...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", class, strings.Join(args, " "), err, out)
	}
	return out
}

// LogFile returns the path of the first log segment of a partition: what
// producers sent, byte for byte, in Kafka's record batch format.
func (b *Broker) LogFile(topic string, partition int) string {
	return b.path(fmt.Sprintf("data/%s-%d/00000000000000000000.log", topic, partition))
}
