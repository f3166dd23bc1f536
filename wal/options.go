package wal

import (
	"errors"
	"fmt"
	"time"

	"assent/disk"
)

// The errors a caller may act on. What the disk says comes wrapped; a disk
// without space satisfies both ErrFull and disk.IsFull.
var (
	// ErrFull: the log is as large as it may be, or its file system is.
	ErrFull = errors.New("log is full")
	// ErrOverloaded: more waits for the disk than may wait.
	ErrOverloaded = errors.New("too much waits for the disk")
	// ErrClosed: the log is closing or closed.
	ErrClosed = errors.New("log is closed")
)

// Options configures a Log. The zero value of every field but Dir stands for its
// default.
type Options struct {
	// Dir holds the segments; one Log at a time has it. Created when missing.
	Dir string

	// FS is the file system. Default disk.OS.
	FS disk.FS

	// SegmentBytes is how long a segment grows before the next one begins; a
	// larger group still goes into one segment. Rounded up to whole pages of
	// 4 KiB. Default 64 MiB.
	SegmentBytes int64

	// MaxBytes bounds the entries in segments that are not released. Past it
	// Append fails as full; Note has one more segment. Default 4 GiB.
	MaxBytes int64

	// LeisureBytes is how large entries and the files that are to go may be together
	// for these to go bit by bit. Default MaxBytes.
	LeisureBytes int64

	// ReserveBytes is what the log leaves free on its file system. Past it
	// Append fails as full; Note may take half of it. Default 256 MiB.
	ReserveBytes int64

	// MaxPendingBytes bounds what waits for the disk; past it Append and Note
	// fail as overloaded. Default 32 MiB.
	MaxPendingBytes int

	// Now is the clock. Default time.Now.
	Now func() time.Time

	// Damaged, when set, is called for each damaged region that a cursor skipped,
	// once in the life of a Log. It must not call the Log.
	Damaged func(Damage)

	// Torn, when set, is called for each segment that ends in what a crash cut off:
	// from where its entries end as far as anything looked like one. A cursor finds
	// that where it enters the segment. It must not call the Log.
	Torn func(Damage)
}

// A Damage is a region of a segment without a readable entry where there were
// some.
type Damage struct {
	Segment       uint64
	Offset, Bytes int64
}

// EnsureDefaults sets every unset field but Dir to its default.
func (o *Options) EnsureDefaults() {
	if o.FS == nil {
		o.FS = disk.OS{}
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = 64 << 20
	}
	o.SegmentBytes = pageUp(o.SegmentBytes)
	if o.MaxBytes == 0 {
		o.MaxBytes = 4 << 30
	}
	if o.LeisureBytes == 0 {
		o.LeisureBytes = o.MaxBytes
	}
	if o.ReserveBytes == 0 {
		o.ReserveBytes = 256 << 20
	}
	if o.MaxPendingBytes == 0 {
		o.MaxPendingBytes = 32 << 20
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Damaged == nil {
		o.Damaged = func(Damage) {}
	}
	if o.Torn == nil {
		o.Torn = func(Damage) {}
	}
}

// Validate reports every field that cannot be used, all at once.
func (o *Options) Validate() error {
	var errs []error
	if o.Dir == "" {
		errs = append(errs, errors.New("dir: must not be empty"))
	}
	if o.SegmentBytes < 8<<10 || o.SegmentBytes > 1<<30 {
		errs = append(errs, fmt.Errorf("segment bytes: %d is not between 8 KiB and 1 GiB", o.SegmentBytes))
	}
	if o.MaxBytes < 2*o.SegmentBytes {
		errs = append(errs, fmt.Errorf("max bytes: %d is less than two segments", o.MaxBytes))
	}
	if o.ReserveBytes < 0 {
		errs = append(errs, fmt.Errorf("reserve bytes: %d is negative", o.ReserveBytes))
	}
	if o.MaxPendingBytes < 64<<10 || o.MaxPendingBytes > 1<<30 {
		errs = append(errs, fmt.Errorf("max pending bytes: %d is not between 64 KiB and 1 GiB", o.MaxPendingBytes))
	}
	return errors.Join(errs...)
}
