package dedup

import (
	"errors"
	"fmt"

	"assent/disk"
)

// Options configures a Window. The zero value of every field but Dir stands for
// its default.
type Options struct {
	// Dir holds the window's files. It is created when missing.
	Dir string

	// Count is how many IDs are remembered. Default 1<<20, which takes 36 MiB.
	Count int

	// Sources are the sources whose IDs are remembered, see sinks.ID.Source: those
	// of one that is gone would keep its share for ever. Default all.
	Sources []uint32

	// FS is the file system. Default disk.OS.
	FS disk.FS
}

// EnsureDefaults sets every unset field but Dir to its default.
func (o *Options) EnsureDefaults() {
	if o.Count == 0 {
		o.Count = 1 << 20
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
	if o.Count < 2 || o.Count > 1<<28 {
		errs = append(errs, fmt.Errorf("count: %d is not within 2 to 2^28", o.Count))
	}
	return errors.Join(errs...)
}
