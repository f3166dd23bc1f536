package journal

import "sync"

// An item is a record on its way.
type item struct {
	seg        *segment
	src        *source
	chunk      *chunk // holds body and provenance
	body       []byte
	provenance []byte // of its event; nil: it is not judged again
	at         int64  // instant of its event
	snapshot   uint64
	ticket     uint64
	idx        uint32
	rec        uint8
	flags      uint8
}

func (it *item) position() position { return position{it.seg.number, it.idx} }

func (it *item) ref() ref { return ref{it.position(), it.rec} }

// itemBytes is what an item takes of the window beside its chunk.
const itemBytes = 128

// A window is the memory of records on their way, which all queues share. Guarded
// by Journal.mu.
type window struct {
	size       int64 // Options.WindowBytes
	used       int64
	queues     int // that share it
	maxBytes   int // Options.MaxBatchBytes
	maxRecords int // Options.MaxBatchRecords
}

func (w *window) full() bool { return w.used >= w.size }

// batchBytes is how many bytes of bodies travel under one reservation: all queues
// together have at most half the window in flight, so that some is left however many
// fail.
func (w *window) batchBytes() int {
	return max(1, min(w.maxBytes, int(w.size)/(2*w.queues)))
}

// chunk returns a chunk with room for so many bytes: the current one, or a new one
// that takes its place.
func (w *window) chunk(current **chunk, n int) *chunk {
	if c := *current; c != nil && len(c.buf)-c.used >= n {
		return c
	}
	size := max(n, minChunk, min(maxChunk, int(w.size)/(8*w.queues)))
	c := chunks.Get().(*chunk)
	if cap(c.buf) < size || cap(c.buf) > 2*size {
		c.buf = make([]byte, size)
	}
	c.current, c.buf, c.used, c.live = current, c.buf[:size], 0, 0
	w.used += int64(size)
	*current = c
	return c
}

// give gives back the memory of a record that is nowhere any more.
func (w *window) give(it *item) {
	w.used -= itemBytes
	c := it.chunk
	if c.live--; c.live > 0 {
		return
	}
	if *c.current == c {
		*c.current = nil
	}
	w.used -= int64(len(c.buf))
	c.current = nil
	chunks.Put(c)
}

// A chunk is memory of the records of one queue. It is given back when none of
// them is left, which happens in about the order they came.
type chunk struct {
	current **chunk // the queue's, which may be this one
	buf     []byte
	used    int
	live    int // records in it
}

const (
	minChunk = 2 << 10
	maxChunk = 64 << 10
)

var chunks = sync.Pool{New: func() any { return new(chunk) }}

func (c *chunk) keep(b []byte) []byte {
	if b == nil {
		return nil
	}
	n := copy(c.buf[c.used:], b)
	kept := c.buf[c.used : c.used+n : c.used+n]
	c.used += n
	return kept
}
