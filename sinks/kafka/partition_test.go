package kafka

import (
	"fmt"
	"strings"
	"testing"

	kafkago "github.com/segmentio/kafka-go"

	"assent/sinks"
	kafkatest "assent/test/kafka"
)

// The hashes are those of the Java client's own unit test (UtilsTest.testMurmur2).
func TestPartitionOfKnownHashes(t *testing.T) {
	f := func(key string, hash int32) {
		t.Helper()
		for _, n := range []int{1, 3, 12, 100} {
			partitions := make([]int, n)
			for i := range partitions {
				partitions[i] = i
			}
			want := int(uint32(hash)&0x7fffffff) % n
			if got := (kafkago.Murmur2Balancer{}).Balance(kafkago.Message{Key: []byte(key)}, partitions...); got != want {
				t.Errorf("%q of %d: partition %d, want %d", key, n, got, want)
			}
		}
	}
	f("21", -973932308)
	f("foobar", -790332482)
	f("a-little-bit-long-string", -985981536)
	f("a-little-bit-longer-string", -1486304829)
	f("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971)
	f("abc", 479470107)
}

// The same keys sent by the Java client and by the sink land in the same
// partitions; null keys reach every partition.
func TestPartitionsAgreeWithTheJavaClient(t *testing.T) {
	const partitions, keys = 7, 60
	b := kafkatest.Shared(t)
	ours := topicOf(t, b, partitions)
	java := ours + ".java"
	s := open(t, b, func(o *Options) { o.Topics = []string{java}; o.Partitions = partitions })

	var input strings.Builder
	all := &sinks.Batch{}
	for i := range keys {
		key := fmt.Sprintf("%x-é%s", i*7919, strings.Repeat("k", i%9))
		fmt.Fprintf(&input, "%s\tv\n", key)
		all.Records = append(all.Records, sinks.Record{Topic: ours, Key: []byte(key), Value: []byte(`{}`)})
	}
	mustCommit(t, s, all)
	b.Tool(t, input.String(), "org.apache.kafka.tools.ConsoleProducer", "--topic", java, "--property", "parse.key=true")

	where := make(map[string]int)
	for _, m := range b.ReadAll(t, java) {
		where[*m.Key] = m.Partition
	}
	if len(where) != keys {
		t.Fatalf("the Java client sent %d keys, want %d", len(where), keys)
	}
	for _, m := range b.ReadAll(t, ours) {
		if want, ok := where[*m.Key]; !ok || m.Partition != want {
			t.Errorf("key %q in partition %d, the Java client's in %d", *m.Key, m.Partition, want)
		}
	}

	spread := &sinks.Batch{}
	for range 200 {
		spread.Records = append(spread.Records, sinks.Record{Topic: ours, Value: []byte(`{}`)})
	}
	mustCommit(t, s, spread)
	reached := make(map[int]bool)
	for _, m := range b.ReadAll(t, ours) {
		if m.Key == nil {
			reached[m.Partition] = true
		}
	}
	if len(reached) != partitions {
		t.Errorf("200 null keys reached %d partitions of %d", len(reached), partitions)
	}
}
