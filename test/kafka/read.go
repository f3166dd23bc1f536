package kafkatest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

// An Entry is as much of a record as tells it apart.
type Entry struct {
	Partition int
	Offset    int64
	Key       string // "" for the null key
	ID        string // header ce_id
	Message   string // messageId of the value, "" where it has none
	Withheld  bool   // header privacy-withheld
	Null      bool   // the null value
}

// Entries reads a topic for tests with very many records: each is handed over
// once, by partition in order of offset. Keys, headers and values must not hold
// tabs or newlines, as none of Assent's do.
func (b *Broker) Entries(t testing.TB, topic string, each func(*Entry)) {
	t.Helper()
	cmd := exec.Command("kcat", "-b", b.Addr, "-m", "10", "-C", "-t", topic, "-o", "beginning", "-e", "-q",
		"-X", "check.crcs=true", "-f", `%p\t%o\t%k\t%h\t%S\t%s\n`)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		var e Entry
		if err := e.parse(lines.Text()); err != nil {
			t.Errorf("reading kcat's output: %v", err)
			break
		}
		each(&e)
	}
	_, _ = io.Copy(io.Discard, out)
	if err := errors.Join(lines.Err(), cmd.Wait()); err != nil {
		t.Fatalf("kcat: %v\n%s", err, errs.Bytes())
	}
}

func (e *Entry) parse(line string) error {
	f := strings.SplitN(line, "\t", 6)
	if len(f) != 6 {
		return fmt.Errorf("%d fields in a line", len(f))
	}
	var err, err2 error
	e.Partition, err = strconv.Atoi(f[0])
	e.Offset, err2 = strconv.ParseInt(f[1], 10, 64)
	e.Key = f[2]
	headers := "," + f[3] + ","
	between := func(text, before, after string) string {
		_, rest, _ := strings.Cut(text, before)
		found, _, _ := strings.Cut(rest, after)
		return found
	}
	e.ID = between(headers, ",ce_id=", ",")
	e.Withheld = strings.Contains(headers, ",privacy-withheld=1,")
	e.Null = f[4] == "-1"
	e.Message = between(f[5], `"messageId":"`, `"`)
	return errors.Join(err, err2)
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
