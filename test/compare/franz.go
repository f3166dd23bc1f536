package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/twmb/franz-go/pkg/kgo"
)

// franz produces with franz-go: idempotent, acknowledged by all replicas, its
// default partitioner (murmur2, as ours), batches as large as ours.
func franz(j job, records []record) (cost, error) { return produceFranz(j, records, 0) }

// franzFastest has its zstd work at the level that Assent's does, which franz-go
// leaves to its user.
func franzFastest(j job, records []record) (cost, error) {
	return produceFranz(j, records, int(zstd.SpeedFastest))
}

func produceFranz(j job, records []record, level int) (c cost, err error) {
	codecs := map[string]kgo.CompressionCodec{
		"zstd": kgo.ZstdCompression().WithLevel(level), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "none": kgo.NoCompression(),
	}
	codec, ok := codecs[j.Codec]
	if !ok {
		return c, fmt.Errorf("unknown codec %q", j.Codec)
	}
	var written counter
	client, err := kgo.NewClient(kgo.SeedBrokers(j.Addr), kgo.ProducerBatchCompression(codec), kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchMaxBytes(int32(j.Batch*recordSize(records)+j.Batch*8)), kgo.ProducerLinger(50*time.Millisecond), kgo.WithHooks(&written))
	if err != nil {
		return c, err
	}
	defer client.Close()
	ctx := context.Background()
	headers := make([][]kgo.RecordHeader, len(records))
	for i := range records {
		for _, h := range records[i].headers {
			headers[i] = append(headers[i], kgo.RecordHeader{Key: h.Key, Value: h.Value})
		}
	}
	var fault atomic.Pointer[error]
	err = measured(&c, func() error {
		now := time.Now()
		done := func(_ *kgo.Record, err error) {
			if err != nil {
				fault.Store(&err)
			}
		}
		for i := range j.Records {
			r := &records[i%len(records)]
			client.Produce(ctx, &kgo.Record{Topic: j.Topic, Key: r.key, Value: r.value, Headers: headers[i%len(records)], Timestamp: now}, done)
		}
		return client.Flush(ctx)
	})
	if e := fault.Load(); e != nil && err == nil {
		err = *e
	}
	c.Batches, c.Sent = written.batches.Load(), written.bytes.Load()
	return c, err
}

// counter counts the batches that were written.
type counter struct{ batches, bytes atomic.Int64 }

var _ kgo.HookProduceBatchWritten = (*counter)(nil)

// OnProduceBatchWritten is called once a batch.
func (c *counter) OnProduceBatchWritten(_ kgo.BrokerMetadata, _ string, _ int32, m kgo.ProduceBatchMetrics) {
	c.batches.Add(1)
	c.bytes.Add(int64(m.CompressedBytes))
}
