package kafka

import (
	"errors"
	"fmt"
	"net"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"assent/sinks"
)

// Options configures a Sink. The zero value of every field but Brokers stands
// for its default.
type Options struct {
	// Brokers are the HOST:PORT of some brokers of the cluster.
	Brokers []string

	// Topics are looked for from the start on, so that Ready can tell of a
	// missing one before its first record comes. Records of other topics are
	// taken too.
	Topics []string

	// CreateTopics lets the sink create a topic that does not exist, with
	// Partitions and Replication; 0 leaves each to the broker's own default.
	CreateTopics bool
	Partitions   int
	Replication  int

	// Compression is zstd (the default), gzip, snappy, lz4 or none.
	Compression string

	// Linger is how long the first record of a produce request waits for
	// others. Default 5 ms.
	Linger time.Duration

	// Timeout bounds every Commit. Default 10 s.
	Timeout time.Duration

	// MaxBatchBytes bounds a record, and what is sent to one partition at once,
	// before compression. It must not exceed the topics' max.message.bytes.
	// Default 1 MB, which is below Kafka's own default.
	MaxBatchBytes int

	// MaxPendingBytes bounds what waits for the brokers in all; past it Commit
	// fails as overloaded. Default 64 MiB.
	MaxPendingBytes int64
}

var codecs = map[string]kafkago.Compression{
	"zstd": kafkago.Zstd, "gzip": kafkago.Gzip, "snappy": kafkago.Snappy, "lz4": kafkago.Lz4, "none": 0,
}

// EnsureDefaults sets every unset field but Brokers to its default.
func (o *Options) EnsureDefaults() {
	if o.Compression == "" {
		o.Compression = "zstd"
	}
	if o.Linger == 0 {
		o.Linger = 5 * time.Millisecond
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	if o.MaxBatchBytes == 0 {
		o.MaxBatchBytes = 1_000_000
	}
	if o.MaxPendingBytes == 0 {
		o.MaxPendingBytes = 64 << 20
	}
}

// Validate reports every field that cannot be used, all at once.
func (o *Options) Validate() error {
	var errs []error
	if len(o.Brokers) == 0 {
		errs = append(errs, errors.New("brokers: must not be empty"))
	}
	for _, b := range o.Brokers {
		if host, port, err := net.SplitHostPort(b); err != nil || host == "" || port == "" {
			errs = append(errs, fmt.Errorf("brokers: %q is not HOST:PORT", b))
		}
	}
	for _, t := range o.Topics {
		if err := sinks.ValidTopic(t); err != nil {
			errs = append(errs, fmt.Errorf("topics: %q: %w", t, err))
		}
	}
	if _, ok := codecs[o.Compression]; !ok {
		errs = append(errs, fmt.Errorf("compression: %q is not one of zstd, gzip, snappy, lz4, none", o.Compression))
	}
	if o.Partitions < 0 || o.Replication < 0 {
		errs = append(errs, errors.New("partitions, replication: must not be negative"))
	}
	if o.Linger < time.Millisecond || o.Linger > time.Second {
		errs = append(errs, fmt.Errorf("linger: %s is not within 1ms and 1s", o.Linger))
	}
	if o.Timeout < time.Second {
		errs = append(errs, fmt.Errorf("timeout: %s is below 1s", o.Timeout))
	}
	if o.MaxBatchBytes < 1<<10 || int64(o.MaxBatchBytes) > o.MaxPendingBytes {
		errs = append(errs, fmt.Errorf("max batch bytes: %d is not within 1024 and max pending bytes", o.MaxBatchBytes))
	}
	return errors.Join(errs...)
}
