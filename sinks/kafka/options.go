package kafka

import (
	"errors"
	"fmt"
	"net"
	"time"

	"assent/sinks"
)

// Options configures a Forwarder. The zero value of every field but Brokers
// stands for its default.
type Options struct {
	// Brokers are the HOST:PORT of some brokers of the cluster.
	Brokers []string

	// Topics are required: Ready reports a missing one before its first record
	// comes. Records of other topics are taken too.
	Topics []string

	// CreateTopics lets the forwarder create a topic that does not exist, with
	// Partitions and Replication; 0 leaves each to the broker's own default.
	CreateTopics bool
	Partitions   int
	Replication  int

	// Compression is zstd (the default), gzip, snappy, lz4 or none.
	Compression string

	// Timeout bounds one request to a broker and its answer. Default 10 s.
	Timeout time.Duration

	// ProducerLife is for how long after it was made a reservation may be repeated. It
	// must be well below the brokers' producer.id.expiration.ms (1 day unless
	// set): what is older is looked up. Default 12 h.
	ProducerLife time.Duration

	// TLS encrypts connections; nil is plain text.
	TLS *TLS

	// SASL authenticates this client; nil does not.
	SASL *SASL

	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// EnsureDefaults sets every unset field but Brokers to its default.
func (o *Options) EnsureDefaults() {
	if o.Compression == "" {
		o.Compression = "zstd"
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	if o.ProducerLife == 0 {
		o.ProducerLife = 12 * time.Hour
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}

// Validate reports every field that cannot be used, all at once. It reads the
// files of TLS.
func (o *Options) Validate() error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(o.Brokers) == 0 {
		add("brokers: must not be empty")
	}
	for _, b := range o.Brokers {
		if host, port, err := net.SplitHostPort(b); err != nil || host == "" || port == "" {
			add("brokers: %q is not HOST:PORT", b)
		}
	}
	for _, t := range o.Topics {
		if err := sinks.ValidTopic(t); err != nil {
			add("topics: %q: %w", t, err)
		}
	}
	if _, ok := codecs[o.Compression]; !ok {
		add("compression: %q is not one of zstd, gzip, snappy, lz4, none", o.Compression)
	}
	if o.Partitions < 0 || o.Replication < 0 {
		add("partitions, replication: must not be negative")
	}
	if o.Timeout < time.Second {
		add("timeout: %s is below 1s", o.Timeout)
	}
	if o.ProducerLife < time.Minute {
		add("producer life: %s is below 1m", o.ProducerLife)
	}
	if _, err := o.TLS.config(); err != nil {
		add("tls: %w", err)
	}
	if _, err := o.SASL.mechanism(); err != nil {
		add("sasl: %w", err)
	}
	return errors.Join(errs...)
}
