package rig

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	kafkago "github.com/segmentio/kafka-go"
)

// Topic is where the embedded policy sends the events of these programs.
const Topic = "events"

// Stored returns how many records a topic holds: the sum of its end offsets, as
// nothing here is deleted. A topic that does not exist holds none.
func Stored(kafka, topic string) (int64, error) {
	ends, err := ends(kafka, topic)
	var sum int64
	for _, n := range ends {
		sum += n
	}
	return sum, err
}

// CreateTopic creates a topic with the broker's own number of partitions.
func CreateTopic(kafka, topic string) error {
	client := &kafkago.Client{Addr: kafkago.TCP(kafka), Timeout: 10 * time.Second}
	res, err := client.CreateTopics(context.Background(), &kafkago.CreateTopicsRequest{Topics: []kafkago.TopicConfig{{Topic: topic, NumPartitions: -1, ReplicationFactor: -1}}})
	if err == nil {
		err = res.Errors[topic]
	}
	if err != nil {
		return fmt.Errorf("creating topic %q: %w", topic, err)
	}
	return nil
}

// clients keeps one connection pool for each broker.
var clients sync.Map

func ends(kafka, topic string) (map[int]int64, error) {
	c, _ := clients.LoadOrStore(kafka, &kafkago.Client{Addr: kafkago.TCP(kafka), Timeout: 10 * time.Second})
	client := c.(*kafkago.Client)
	ctx := context.Background()
	meta, err := client.Metadata(ctx, &kafkago.MetadataRequest{Topics: []string{topic}})
	if err != nil {
		return nil, fmt.Errorf("asking for the topic: %w", err)
	}
	var ask []kafkago.OffsetRequest
	for _, p := range meta.Topics[0].Partitions {
		ask = append(ask, kafkago.LastOffsetOf(p.ID))
	}
	if errors.Is(meta.Topics[0].Error, kafkago.UnknownTopicOrPartition) || len(ask) == 0 {
		return nil, nil
	}
	offsets, err := client.ListOffsets(ctx, &kafkago.ListOffsetsRequest{Topics: map[string][]kafkago.OffsetRequest{topic: ask}})
	if err != nil {
		return nil, fmt.Errorf("asking for offsets: %w", err)
	}
	out := map[int]int64{}
	for _, p := range offsets.Topics[topic] {
		if p.Error != nil {
			return nil, fmt.Errorf("asking for offsets: %w", p.Error)
		}
		out[p.Partition] = p.LastOffset
	}
	return out, nil
}

// A Count says how often numbered events are in a topic.
type Count struct {
	Records int // read
	Once    int // numbers that are there
	Again   int // records whose number is there already
	Strange int // records without a number of this run
}

// CountIDs reads a topic from its beginning to its present end. have tells, for
// each number that NumberOf may find, whether it was met; it is written to.
func CountIDs(kafka, topic, run string, have []bool) (Count, error) {
	var c Count
	last, err := ends(kafka, topic)
	if err != nil {
		return c, err
	}
	for partition, end := range last {
		r := kafkago.NewReader(kafkago.ReaderConfig{Brokers: []string{kafka}, Topic: topic, Partition: partition, MaxBytes: 16 << 20, QueueCapacity: 4096})
		for at := int64(0); at < end; {
			m, err := r.ReadMessage(context.Background())
			if err != nil {
				return c, errors.Join(fmt.Errorf("reading the topic: %w", err), r.Close())
			}
			at = m.Offset + 1
			c.Records++
			switch n := numberOf(m.Value, run); {
			case n < 0 || n >= len(have):
				c.Strange++
			case have[n]:
				c.Again++
			default:
				have[n] = true
				c.Once++
			}
		}
		if err := r.Close(); err != nil {
			return c, err
		}
	}
	return c, nil
}

// numberOf finds the number in an event's message id; -1: none of this run.
func numberOf(value []byte, run string) int {
	_, rest, ok := bytes.Cut(value, []byte(`"messageId":"`+run))
	var raw [digits / 2]byte
	if !ok || len(rest) < digits {
		return -1
	}
	if _, err := hex.Decode(raw[:], rest[:digits]); err != nil {
		return -1
	}
	n := 0
	for _, b := range raw {
		n = n<<8 | int(b)
	}
	return n
}
