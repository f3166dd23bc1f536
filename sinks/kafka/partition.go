package kafka

import (
	"sync"

	"assent/sinks"
)

// partition is what this process knows of a partition. Its mutex is held over a
// Reserve and over a Send: one batch is in flight per partition, because brokers
// refuse batches that overtake each other.
type partition struct {
	mu       sync.Mutex
	name     named
	fresh    bool  // the identity that all partitions share has lost its force here
	sequence int32 // of the next batch
	low      int64 // no later batch can have a smaller offset; -1: not known
}

func (f *Forwarder) partition(p sinks.Partition) *partition {
	if s, ok := f.partitions.Load(p); ok {
		return s.(*partition)
	}
	s, _ := f.partitions.LoadOrStore(p, &partition{low: -1})
	return s.(*partition)
}

// stored notes that a reservation's batch is in the log at offset. again says that it
// may have been there for long.
func (s *partition) stored(r *reservation, offset int64, again bool) {
	if s.name == r.named && s.sequence == r.sequence {
		s.sequence = addSequence(r.sequence, int(r.count))
	}
	if !again || offset+int64(r.count) > s.low {
		s.low = offset + int64(r.count)
	}
}

// lose drops the partition's identity if the reservation has it.
func (s *partition) lose(r *reservation) {
	if s.name == r.named {
		s.name.ok, s.fresh = false, true
	}
}
