package wal

import (
	"sync"
	"sync/atomic"
)

// blockBytes is how much of a segment is read at once.
const blockBytes = 1 << 20

// A Block is the memory that entries read together share. Safe for concurrent
// use.
type Block struct {
	refs atomic.Int32
	buf  []byte
}

var blocks = sync.Pool{New: func() any { return &Block{buf: make([]byte, blockBytes)} }}

// newBlock returns a block of at least n bytes with one reference.
func newBlock(n int) *Block {
	var b *Block
	if n <= blockBytes {
		b = blocks.Get().(*Block)
	} else {
		b = &Block{buf: make([]byte, n)}
	}
	b.refs.Store(1)
	return b
}

// Retain adds a reference.
func (b *Block) Retain() { b.refs.Add(1) }

// Release gives one reference back. With the last one the memory is reused.
func (b *Block) Release() {
	switch n := b.refs.Add(-1); {
	case n < 0:
		panic("wal: block released too often")
	case n == 0 && len(b.buf) == blockBytes:
		blocks.Put(b)
	}
}
