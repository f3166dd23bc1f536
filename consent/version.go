package consent

import (
	"cmp"
	"sync/atomic"
	"time"
)

// Version orders the states of one purpose of one subject over all nodes: the
// hybrid clock at receipt, then the node. Never a time the client claims.
type Version struct {
	Time int64 // microseconds since 1970
	Node uint16
}

// Compare is negative when v is older than w.
func (v Version) Compare(w Version) int {
	if c := cmp.Compare(v.Time, w.Time); c != 0 {
		return c
	}
	return cmp.Compare(v.Node, w.Node)
}

// Clock makes the versions of one node. It never goes back and never repeats,
// whatever the machine's clock does. Safe for concurrent use.
type Clock struct {
	Node uint16
	last atomic.Int64
}

// Next returns a version at now, or just after what it made before or after
// the newest version already known for the subject, whichever is latest.
func (c *Clock) Next(now time.Time, known Version) Version {
	for {
		last := c.last.Load()
		t := max(now.UnixMicro(), last+1)
		if c.last.CompareAndSwap(last, t) {
			return Version{Time: max(t, known.Time+1), Node: c.Node}
		}
	}
}
