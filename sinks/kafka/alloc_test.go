//go:build !race

package kafka

import (
	"sync/atomic"
	"testing"
)

// lz4 goes through kafka-go's codec, which makes two small things a batch.
func TestEncoderAllocatesNothing(t *testing.T) {
	allowed := map[codec]float64{codecLz4: 2}
	all := someRecords(200)
	eachCodec(t, func(t *testing.T, _ string, c codec) {
		enc := newEncoder(c)
		var buf []byte
		encode := func() {
			set, _, err := enc.appendBatch(buf[:0], identity{1, 0}, 5, all)
			if err != nil {
				t.Fatal(err)
			}
			buf = set
		}
		encode()
		if n := testing.AllocsPerRun(50, encode); n > allowed[c] {
			t.Errorf("%v allocations, want at most %v", n, allowed[c])
		}
	})
}

func TestLaneAllocatesNothing(t *testing.T) {
	f := &Forwarder{}
	f.seen.Store(&cluster{topics: map[string]*topic{"t": {name: "t", leaders: []int32{1, 1, 1}, led: []int32{0, 1, 2}, spread: &spread{}, most: new(atomic.Int64)}}})
	key := []byte("visitor")
	if n := testing.AllocsPerRun(100, func() {
		f.Partition("t", key)
		f.Partition("t", nil)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
