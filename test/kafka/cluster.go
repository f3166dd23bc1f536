package kafkatest

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A Cluster is several KRaft nodes that replicate every topic to all of them. A
// write needs the larger half in sync.
type Cluster struct {
	Nodes []*Broker // by id, from 1
}

// StartCluster starts n nodes of the test's own and stops them when the test
// ends. Nodes are killed, paused and restarted one by one.
func StartCluster(t testing.TB, n int) *Cluster {
	t.Helper()
	libs, err := jars()
	if err != nil {
		t.Fatal(err)
	}
	controllers, err := freePorts(n)
	if err != nil {
		t.Fatal(err)
	}
	c := &Cluster{}
	for i := range n {
		c.Nodes = append(c.Nodes, &Broker{id: i + 1, heap: "-Xmx256m", dir: t.TempDir()})
	}
	err = c.each(func(b *Broker) error { return b.configure(libs, &Options{}, controllers) })
	if err == nil {
		for _, b := range c.Nodes {
			b.endWith(t)
		}
		err = c.each(func(b *Broker) error { return b.launch(libs) })
	}
	if err != nil {
		t.Fatal(err)
	}
	for limit := time.Now().Add(startLimit); len(c.Nodes[0].metadata(t).Brokers) < n; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("the nodes did not find one another within %s", startLimit)
		}
	}
	return c
}

// each does the same with all nodes at the same time.
func (c *Cluster) each(do func(b *Broker) error) error {
	errs := make([]error, len(c.Nodes))
	var all sync.WaitGroup
	for i, b := range c.Nodes {
		all.Go(func() { errs[i] = do(b) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// Addrs are the addresses of all nodes.
func (c *Cluster) Addrs() []string {
	var out []string
	for _, b := range c.Nodes {
		out = append(out, b.Addr)
	}
	return out
}

// Leader returns the node that leads a partition, nil while none does. ask is
// the node that is asked.
func (c *Cluster) Leader(t testing.TB, ask *Broker, topic string, partition int) *Broker {
	t.Helper()
	for _, p := range ask.metadata(t).partitions(topic) {
		if p.Partition == partition && p.Leader >= 1 && p.Leader <= len(c.Nodes) {
			return c.Nodes[p.Leader-1]
		}
	}
	return nil
}

// MoveLeaders hands the lead of every partition of a topic to the next of its
// replicas, in order and with all nodes up.
func (c *Cluster) MoveLeaders(t testing.TB, topic string) {
	t.Helper()
	type place struct {
		Topic     string `json:"topic"`
		Partition int    `json:"partition"`
		Replicas  []int  `json:"replicas,omitempty"`
	}
	ask := c.Nodes[0]
	var places []place
	want := map[int]int{}
	for _, p := range ask.metadata(t).partitions(topic) {
		next := p.Leader%len(c.Nodes) + 1
		replicas := []int{next}
		for i := 1; i < len(c.Nodes); i++ {
			replicas = append(replicas, (next+i-1)%len(c.Nodes)+1)
		}
		places = append(places, place{topic, p.Partition, replicas})
		want[p.Partition] = next
	}
	file := func(name string, content any) string {
		raw, err := json.Marshal(content)
		if err == nil {
			err = os.WriteFile(ask.path(name), raw, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		return ask.path(name)
	}
	plan := file("reassign.json", map[string]any{"version": 1, "partitions": places})
	ask.Tool(t, "", "org.apache.kafka.tools.reassign.ReassignPartitionsCommand", "--reassignment-json-file", plan, "--execute")
	for i := range places {
		places[i].Replicas = nil
	}
	elect := file("elect.json", map[string]any{"partitions": places})
	ask.Tool(t, "", "org.apache.kafka.tools.LeaderElectionCommand", "--election-type", "preferred", "--path-to-json-file", elect)
	for limit := time.Now().Add(startLimit); ; time.Sleep(100 * time.Millisecond) {
		moved := 0
		for _, p := range ask.metadata(t).partitions(topic) {
			if p.Leader == want[p.Partition] {
				moved++
			}
		}
		if moved == len(want) {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("%d of %d partitions moved within %s", moved, len(want), startLimit)
		}
	}
}

// AddPartitions gives a topic more partitions: n in all.
func (b *Broker) AddPartitions(t testing.TB, topic string, n int) {
	t.Helper()
	b.Tool(t, "", "org.apache.kafka.tools.TopicCommand", "--alter", "--topic", topic, "--partitions", strconv.Itoa(n))
}

// metadata is what a node says of its cluster.
type metadata struct {
	Brokers []any `json:"brokers"`
	Topics  []struct {
		Topic      string      `json:"topic"`
		Partitions []partition `json:"partitions"`
	} `json:"topics"`
}

type partition struct {
	Partition int `json:"partition"`
	Leader    int `json:"leader"` // -1: none
}

func (b *Broker) metadata(t testing.TB) *metadata {
	t.Helper()
	var m metadata
	if err := json.Unmarshal(b.Kcat(t, "-L", "-J"), &m); err != nil {
		t.Fatal(fmt.Errorf("reading kcat's output: %w", err))
	}
	return &m
}

func (m *metadata) partitions(topic string) []partition {
	for _, t := range m.Topics {
		if t.Topic == topic {
			return t.Partitions
		}
	}
	return nil
}

// Topics returns the number of partitions of every topic but Kafka's own.
func (b *Broker) Topics(t testing.TB) map[string]int {
	t.Helper()
	topics := make(map[string]int)
	for _, topic := range b.metadata(t).Topics {
		if !strings.HasPrefix(topic.Topic, "__") {
			topics[topic.Topic] = len(topic.Partitions)
		}
	}
	return topics
}
