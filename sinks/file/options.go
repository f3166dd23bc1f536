package file

import (
	"errors"
	"fmt"
	"time"

	"assent/disk"
	"assent/sinks"
)

// Options configures a Sink. The zero value of every field but Dir stands for
// its default.
type Options struct {
	// Dir holds one folder per topic. It is created when missing.
	Dir string

	// MaxFileBytes closes a file before a group that would take it past this
	// size; a single larger group still goes into one file. Default 256 MiB.
	MaxFileBytes int64

	// MaxFileAge closes a file this long after its first record. Default 1 hour.
	MaxFileAge time.Duration

	// MaxPendingBytes bounds what waits for the disk; past it Commit fails as
	// overloaded. Default 64 MiB.
	MaxPendingBytes int

	// ReserveBytes is what events leave free on the file system. Default 96 MiB, and
	// no more than three eighths of a file system that is small.
	ReserveBytes int64

	// Compress turns closed files into .ndjson.zst in the background.
	Compress bool

	// BadTopic takes the bad rows, which are counted apart. Default "events.bad".
	BadTopic string

	// Truncated, when set, is called for each file off whose end opening the sink cut
	// what a crash had left unfinished: its path and how many bytes went.
	Truncated func(path string, bytes int64)

	// Committed, when set, is called with the IDs of events that are durable in all
	// their topics, before Commit returns to their callers. Opening the sink calls it
	// with the last ones again: an earlier process may have crashed before it did.
	Committed func([]sinks.ID)

	// Now is the clock that names and ages files. Default time.Now.
	Now func() time.Time

	// FS is the file system. Default disk.OS.
	FS disk.FS
}

// EnsureDefaults sets every unset field but Dir to its default.
func (o *Options) EnsureDefaults() {
	if o.MaxFileBytes == 0 {
		o.MaxFileBytes = 256 << 20
	}
	if o.MaxFileAge == 0 {
		o.MaxFileAge = time.Hour
	}
	if o.MaxPendingBytes == 0 {
		o.MaxPendingBytes = 64 << 20
	}
	if o.ReserveBytes == 0 {
		o.ReserveBytes = 96 << 20
	}
	if o.BadTopic == "" {
		o.BadTopic = "events.bad"
	}
	if o.Truncated == nil {
		o.Truncated = func(string, int64) {}
	}
	if o.Committed == nil {
		o.Committed = func([]sinks.ID) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.FS == nil {
		o.FS = disk.OS{}
	}
}

// Validate reports every field that cannot be used, all at once.
func (o *Options) Validate() error {
	var errs []error
	if o.Dir == "" {
		errs = append(errs, errors.New("dir: must not be empty"))
	}
	if o.MaxFileBytes < 4<<10 {
		errs = append(errs, fmt.Errorf("max file bytes: %d is below 4096", o.MaxFileBytes))
	}
	if o.MaxFileAge < time.Second {
		errs = append(errs, fmt.Errorf("max file age: %s is below 1s", o.MaxFileAge))
	}
	if o.MaxPendingBytes < 64<<10 {
		errs = append(errs, fmt.Errorf("max pending bytes: %d is below 65536", o.MaxPendingBytes))
	}
	return errors.Join(errs...)
}
