package collector

import (
	"context"
	"sync"
	"time"

	"assent/rate"
	"assent/sinks"
)

// flushEvery is how long bad rows that were added up wait to be written.
const flushEvery = 10 * time.Second

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

// flushBadRows writes every sum as one row, all of them together. Those the sink
// does not take stay.
func (c *Collector) flushBadRows(ctx context.Context) {
	x := c.pool.Get().(*exchange)
	x.reset(c.policy.Load(), c.o.Now())
	defer c.giveBack(x)
	type drained struct {
		sum         *badSum
		count, size int
	}
	var all []drained
	c.bad.kinds.Range(func(k, v any) bool {
		kind, sum := k.(badKind), v.(*badSum)
		if count, size := sum.drain(); count > 0 {
			all = append(all, drained{sum, count, size})
			first := len(x.batch.Records)
			x.source = kind.source
			c.sealBadRow(x, &sinks.BadRow{Stage: kind.stage, Reason: string(kind.reason), Count: count, Size: size})
			c.addEvent(x, 0, first, false)
		}
		return true
	})
	if c.commitBatch(ctx, x, sinks.Durable) != nil {
		for _, d := range all {
			d.sum.add(d.count, d.size)
		}
	}
}

// flush writes the sums from time to time until the collector is shut down.
func (c *Collector) flush() {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			c.flushBadRows(context.Background())
		case <-c.stopped:
			return
		}
	}
}
