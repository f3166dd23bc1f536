package disktest

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
)

// sector is what a disk writes whole.
const sector = 512

// Cut returns the file system as a machine might find it after losing power
// now: entries that were not synced are there or not, a renamed file has one of
// its names, and of a file's bytes that were not synced some are there, torn, old
// or read as NULs. The Mem itself goes
// on as if nothing had happened; nobody holds a lock in the new one.
func (m *Mem) Cut(rng *rand.Rand) *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	after := New()
	after.capacity, after.syncTime = m.capacity, m.syncTime
	found := map[*inode]*inode{}
	keep := func(path string, n *inode) {
		if n == nil {
			return
		}
		if found[n] == nil {
			data := n.survivor(rng)
			found[n] = &inode{dir: n.dir, data: data, synced: slices.Clone(data)}
		}
		after.live[path], after.durable[path] = found[n], found[n]
	}
	// In order, so that a seed means one outcome.
	names, older := slices.Sorted(maps.Keys(m.live)), slices.Sorted(maps.Keys(m.durable))
	was := map[*inode]bool{}
	for _, path := range older {
		was[m.durable[path]] = m.live[path] != m.durable[path]
	}
	moved := map[*inode]bool{} // whether a file that was renamed has its new name
	for _, path := range names {
		if n := m.live[path]; m.durable[path] != n && was[n] {
			moved[n] = rng.IntN(2) == 0
		}
	}
	keepOld := func(path string) {
		if n := m.durable[path]; !moved[n] {
			keep(path, n)
		}
	}
	for _, path := range names {
		n := m.live[path]
		isNew, renamed := moved[n]
		switch {
		case m.durable[path] == n, isNew, !renamed && rng.IntN(2) == 0:
			keep(path, n)
		default:
			keepOld(path)
		}
	}
	for _, path := range older {
		if _, renamed := moved[m.durable[path]]; m.live[path] == nil && (renamed || rng.IntN(2) == 0) {
			keepOld(path)
		}
	}
	for path := range after.live { // what is in a lost directory is lost
		for dir := filepath.Dir(path); dir != "." && dir != "/"; dir = filepath.Dir(dir) {
			if after.live[dir] == nil {
				delete(after.live, path)
				delete(after.durable, path)
			}
		}
	}
	return after
}

// survivor returns what of a file's bytes a power cut might leave.
func (n *inode) survivor(rng *rand.Rand) []byte {
	old, now := n.synced, n.data
	length := len(old)
	if len(now) > len(old) {
		length += rng.IntN(len(now) - len(old) + 1)
	} else if rng.IntN(2) == 0 {
		length = len(now)
	}
	// Where the new bytes did not get, the old ones are, and NULs behind these.
	data := make([]byte, length)
	copy(data, old)
	if bytes.Equal(data, now) {
		return data
	}
	now = now[:min(len(now), length)]
	switch rng.IntN(4) {
	case 0: // no new byte
	case 1: // all of them
		copy(data, now)
	case 2: // up to some byte
		copy(data, now[:rng.IntN(len(now)+1)])
	case 3: // some sectors
		for at := 0; at < len(now); at += sector {
			if rng.IntN(2) == 0 {
				copy(data[at:], now[at:min(at+sector, len(now))])
			}
		}
	}
	return data
}
