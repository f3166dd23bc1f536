package journal

import (
	"errors"
	"fmt"
	"time"

	"assent/disk"
	"assent/sinks"
	"assent/wal"
)

// MaxLinger is the longest Options.Linger for use: a partition that is gone must be
// noticed by its queue before others get its records.
const MaxLinger = 5 * time.Second

const (
	maxBytes   = 16 << 40 // what is made of Options.MaxBytes fits into an int64
	maxReserve = 1 << 40
)

// Options configures a Journal. Dir and Forwarder must be given; the zero value
// of every other field stands for its default.
type Options struct {
	// Dir holds the segments. It is created when missing.
	Dir string

	// FS is the file system. Default disk.OS.
	FS disk.FS

	// MaxBytes bounds the journal on disk. Commits leave a sixteenth of it to what
	// forwarding has to write down, which only a flood of refused records exceeds.
	// Default 4 GiB.
	MaxBytes int64

	// ReserveBytes is what commits leave free on the file system; forwarding may
	// take three quarters of it for what it writes down. Default 256 MiB.
	ReserveBytes int64

	// HighWater is the fraction of the journal past which a source that has
	// more than its fair share waiting is turned away. Default 0.8.
	HighWater float64

	// Forwarder carries the records on. The journal closes it.
	Forwarder sinks.Forwarder

	// Judge looks again at what waits. Nil: nothing is judged again.
	Judge sinks.Judge

	// Linger is how long the first record of a queue waits for more to travel
	// with. Nobody lingers for whom a sender waits. Default 20 ms.
	Linger time.Duration

	// MaxBatchBytes bounds the bodies that travel under one reservation; a single
	// larger record still travels. It is lowered where very many queues share
	// the window. Default 1,000,000.
	MaxBatchBytes int

	// MaxBatchRecords bounds the records that travel under one reservation. Default
	// 10,000.
	MaxBatchRecords int

	// WindowBytes bounds the memory of records on their way. Default 64 MiB.
	WindowBytes int64

	// DeliverTimeout bounds how long a Commit whose batch is promised to be
	// delivered waits for that. Default 10 s.
	DeliverTimeout time.Duration

	// BadTopic takes the bad rows; see Journal.Commit. Default "events.bad".
	BadTopic string

	// Recovered is called with the ID of every event that an earlier process left
	// in the journal, in order, in the background after Open.
	Recovered func(sinks.ID)

	// Retire is handed the IDs of the events of a segment before it is
	// released, so that they outlive it; an error puts the release off.
	Retire func([]sinks.ID) error

	// Damaged is called for each damaged region that was skipped.
	Damaged func(wal.Damage)

	// Now is the clock. Default time.Now.
	Now func() time.Time

	segmentBytes           int64         // tests want small ones
	minBackoff, maxBackoff time.Duration // between attempts of a queue
	detachAfter            time.Duration // that a queue has failed
	keepEvery              time.Duration // between looks of retain
}

// EnsureDefaults sets every unset field that has a default to it.
func (o *Options) EnsureDefaults() {
	set(&o.MaxBytes, 4<<30)
	set(&o.ReserveBytes, 256<<20)
	set(&o.HighWater, 0.8)
	set(&o.Linger, 20*time.Millisecond)
	set(&o.MaxBatchBytes, 1_000_000)
	set(&o.MaxBatchRecords, 10_000)
	set(&o.WindowBytes, 64<<20)
	set(&o.DeliverTimeout, 10*time.Second)
	set(&o.BadTopic, "events.bad")
	set(&o.segmentBytes, max(256<<10, min(64<<20, o.MaxBytes/32)))
	set(&o.minBackoff, 50*time.Millisecond)
	set(&o.maxBackoff, 2*time.Second)
	set(&o.detachAfter, time.Second)
	set(&o.keepEvery, time.Second)
	if o.FS == nil {
		o.FS = disk.OS{}
	}
	if o.Recovered == nil {
		o.Recovered = func(sinks.ID) {}
	}
	if o.Damaged == nil {
		o.Damaged = func(wal.Damage) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Validate reports every field that cannot be used, all at once.
func (o *Options) Validate() error {
	var errs []error
	check := func(good bool, format string, args ...any) {
		if !good {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(o.Dir != "", "dir: must not be empty")
	check(o.Forwarder != nil, "forwarder: must be given")
	check(o.MaxBytes >= 8<<20 || o.segmentBytes < 256<<10, "max bytes: %d is below 8 MiB", o.MaxBytes)
	check(o.MaxBytes <= maxBytes, "max bytes: %d is above 16 TiB (%d): no file system keeps so much for a journal", o.MaxBytes, int64(maxBytes))
	check(o.ReserveBytes >= 0, "reserve bytes: %d is below 0", o.ReserveBytes)
	check(o.ReserveBytes <= maxReserve, "reserve bytes: %d is above 1 TiB (%d): events are refused while less than this is free", o.ReserveBytes, int64(maxReserve))
	check(o.HighWater > 0 && o.HighWater <= 1, "high water: %v is not within (0, 1]", o.HighWater)
	check(o.Linger >= 0, "linger: %s is below 0", o.Linger)
	check(o.MaxBatchBytes > 0, "max batch bytes: %d is below 1", o.MaxBatchBytes)
	check(o.MaxBatchRecords > 0, "max batch records: %d is below 1", o.MaxBatchRecords)
	check(o.WindowBytes >= 64<<10, "window bytes: %d is below 65536", o.WindowBytes)
	check(o.DeliverTimeout > 0, "deliver timeout: %s is not above 0", o.DeliverTimeout)
	if err := sinks.ValidTopic(o.BadTopic); err != nil {
		errs = append(errs, fmt.Errorf("bad topic: %w", err))
	}
	return errors.Join(errs...)
}
