package kafka

import (
	"fmt"
	"strings"
	"testing"

	"assent/sinks"
	kafkatest "assent/test/kafka"
)

// The hashes are those of the Java client's own unit test (UtilsTest.testMurmur2).
func TestMurmur2(t *testing.T) {
	f := func(key string, want int32) {
		t.Helper()
		if got := int32(murmur2([]byte(key))); got != want {
			t.Errorf("%q: %d, want %d", key, got, want)
		}
	}
	f("21", -973932308)
	f("foobar", -790332482)
	f("a-little-bit-long-string", -985981536)
	f("a-little-bit-longer-string", -1486304829)
	f("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971)
	f("abc", 479470107)
}

// The same keys sent by the Java client and by the forwarder land in the same
// partitions.
func TestPartitionsAgreeWithTheJavaClient(t *testing.T) {
	const partitions, keys = 7, 200
	b := kafkatest.Shared(t)
	topic := topicFor(t, b, partitions)
	f := open(t, b, nil)
	partitionOf(t, f, topic, "known")
	var input strings.Builder
	want := make(map[string]int32)
	for i := range keys {
		key := fmt.Sprintf("%x-é%s", i*7919, strings.Repeat("k", i%9))
		fmt.Fprintf(&input, "%s\tv\n", key)
		want[key] = partitionOf(t, f, topic, key).Number
	}
	b.Tool(t, input.String(), "org.apache.kafka.tools.ConsoleProducer", "--topic", topic, "--property", "parse.key=true")
	all := b.ReadAll(t, topic)
	if len(all) != keys {
		t.Fatalf("the Java client sent %d keys, want %d", len(all), keys)
	}
	for _, m := range all {
		if got := want[text(m.Key)]; int32(m.Partition) != got {
			t.Errorf("key %q in partition %d, the Java client's in %d", text(m.Key), got, m.Partition)
		}
	}
}

// Records without a key reach every partition, evenly, in runs.
func TestNullKeysAreSpread(t *testing.T) {
	b := kafkatest.Shared(t)
	topic := topicFor(t, b, 5)
	f := open(t, b, nil)
	partitionOf(t, f, topic, "")
	placed := make(map[int32]int)
	changes, last := 0, int32(-1)
	const n = 5 * spreadRun * 4
	for range n {
		p, err := f.Partition(topic, nil)
		if err != nil {
			t.Fatal(err)
		}
		placed[p.Number]++
		if p.Number != last {
			changes++
		}
		last = p.Number
	}
	for p := range int32(5) {
		if placed[p] != n/5 {
			t.Errorf("partition %d has %d of %d, want a fifth", p, placed[p], n)
		}
	}
	before := f.seen.Load().topics[topic].spread
	if err := f.refreshed(t.Context()); err != nil || f.seen.Load().topics[topic].spread != before {
		t.Errorf("a refresh, %v, begins at another partition", err)
	}
	if changes > n/spreadRun+1 {
		t.Errorf("%d changes of partition, want %d", changes, n/spreadRun+1)
	}
}

// Records that come after partitions were added see them; a reservation keeps its own.
func TestPartitionsAdded(t *testing.T) {
	b := kafkatest.Shared(t)
	topic := topicFor(t, b, 1)
	f := open(t, b, nil)
	p := partitionOf(t, f, topic, "k")
	reservation := reserve(t, f, p, 1)
	b.Tool(t, "", "org.apache.kafka.tools.TopicCommand", "--alter", "--topic", topic, "--partitions", "9")
	eventually(t, func() error {
		if p, err := f.Partition(topic, []byte("foobar")); err != nil || p.Number != keyPartition([]byte("foobar"), 9) {
			return fmt.Errorf("partition %d, %v", p.Number, err)
		}
		return nil
	})
	mustSend(t, f, p, reservation, records("a", 1), false)
	deliver(t, f, sinks.Partition{Topic: topic, Number: 8}, records("b", 1))
	wantIDs(t, b, topic, "a-0 b-0")
}
