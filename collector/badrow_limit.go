package collector

import (
	"sync"

	"assent/rate"
	"assent/sinks"
)

// badKind is what bad rows are added up by. There are as many as sources, stages
// and reasons, which are all known from the start.
type badKind struct {
	source *Source
	stage  sinks.Stage
	reason Reason
}

// badSum is the bucket of one kind and what went beyond it.
type badSum struct {
	bucket rate.Bucket
	mu     sync.Mutex
	count  int
	size   int
}

// badCaps bounds the bad rows that one flood can leave: beyond the rate they are
// added up, and the sum is one row.
type badCaps struct{ kinds sync.Map } // badKind → *badSum

// take reports whether a row of its own may be written; if not, it was added up.
func (b *badCaps) take(k badKind, l rate.Limit, size int, now int64) bool {
	v, ok := b.kinds.Load(k)
	if !ok {
		v, _ = b.kinds.LoadOrStore(k, &badSum{})
	}
	s := v.(*badSum)
	if s.bucket.Take(l, now) {
		return true
	}
	s.add(1, size)
	return false
}

func (s *badSum) add(count, size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count, s.size = s.count+count, s.size+size
}

func (s *badSum) drain() (count, size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	count, size = s.count, s.size
	s.count, s.size = 0, 0
	return count, size
}
