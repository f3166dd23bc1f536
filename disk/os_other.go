//go:build !linux

package disk

import (
	"math"
)

// Sync is fsync, in the strongest form the system has.
func (f osFile) Sync() error { return f.File.Sync() }

// Free implements FS. It is not known how to ask here, so that only a failed
// write tells.
func (OS) Free(string) (int64, error) { return math.MaxInt64, nil }
