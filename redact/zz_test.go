package redact

import (
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"unsafe"
)

func cpu() int64 {
	var r syscall.Rusage
	_ = unsafe.Sizeof(r)
	syscall.Getrusage(1, &r)
	return r.Utime.Nano() + r.Stime.Nano()
}

func TestZZ(t *testing.T) {
	runtime.LockOSThread()
	event := readEvent(t)
	p, _ := Compile(eventRules())
	var dst []byte
	var ta Tally
	f := NewFinder("type", "event", "messageId", "anonymousId", "userId", "timestamp", "context.consent.categoryPreferences")
	spans := make([]Span, 7)
	ba, bf := int64(1<<60), int64(1<<60)
	for range 40 {
		a := cpu()
		for range 20000 {
			ta.Reset()
			dst, _ = p.Append(dst[:0], event, Grants{First, 3}, nil, &ta)
		}
		b := cpu()
		for range 20000 {
			f.Find(event, spans)
		}
		c := cpu()
		ba, bf = min(ba, b-a), min(bf, c-b)
	}
	fmt.Printf("cpu ns: append %d (%.0f MB/s) find %d (%.0f MB/s)\n", ba/20000, 951*20000e3/float64(ba), bf/20000, 951*20000e3/float64(bf))
}
