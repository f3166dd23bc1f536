package kafka

import (
	"encoding/binary"
	"sync/atomic"
)

// murmur2 is the hash by which the Java client's default partitioner places a
// key; consumers that join topics rely on every producer doing the same.
func murmur2(key []byte) uint32 {
	const (
		seed = 0x9747b28c
		m    = 0x5bd1e995
		r    = 24
	)
	h := seed ^ uint32(len(key))
	for ; len(key) >= 4; key = key[4:] {
		k := binary.LittleEndian.Uint32(key) * m
		k = (k ^ k>>r) * m
		h = h*m ^ k
	}
	switch len(key) {
	case 3:
		h ^= uint32(key[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(key[1]) << 8
		fallthrough
	case 1:
		h = (h ^ uint32(key[0])) * m
	}
	h = (h ^ h>>13) * m
	return h ^ h>>15
}

// keyPartition returns the partition of a key among n.
func keyPartition(key []byte, n int) int32 {
	return int32((murmur2(key) & 0x7fffffff) % uint32(n))
}

// spread places records that have no key: runs of them go to one partition, so
// that batches are large, and the partitions take turns.
type spread struct{ placed atomic.Uint64 }

// spreadRun is how many records without a key follow one another.
const spreadRun = 256

// next returns an index below n.
func (s *spread) next(n int) int {
	return int((s.placed.Add(1) - 1) / spreadRun % uint64(n))
}
