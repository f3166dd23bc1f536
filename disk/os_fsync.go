//go:build !linux

package disk

// Sync is fsync, in the strongest form the system has.
func (f osFile) Sync() error { return f.File.Sync() }
