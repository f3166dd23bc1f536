package journal

import (
	"errors"
	"maps"
	"sync/atomic"

	"assent/sinks"
)

// A source is what waits of one source's events.
type source struct {
	name  string
	bytes atomic.Int64 // of bodies that are not settled
}

var (
	errRecovering = errors.New("reading what the last process left")
	errFull       = errors.New("the journal is full: Kafka must take some of it, or max_bytes be raised")
	errReserve    = errors.New("the file system has less than reserve_bytes left")
	errShare      = errors.New("the journal fills, and the source has its share of it waiting")
)

// badShare is the part of the journal that waiting bad rows may take.
const badShare = 16

// source returns the account of a source, opening it on first use.
func (j *Journal) source(name string) *source {
	if s := (*j.sources.Load())[name]; s != nil {
		return s
	}
	return j.openSource(name)
}

// sourceOf is source for a name that is still bytes; a known one costs no string.
func (j *Journal) sourceOf(name []byte) *source {
	if s := (*j.sources.Load())[string(name)]; s != nil {
		return s
	}
	return j.openSource(string(name))
}

func (j *Journal) openSource(name string) *source {
	j.opening.Lock()
	defer j.opening.Unlock()
	old := *j.sources.Load()
	if s := old[name]; s != nil {
		return s
	}
	sources := maps.Clone(old)
	s := &source{name: string(append([]byte(nil), name...))}
	sources[s.name] = s
	j.sources.Store(&sources)
	return s
}

// Admit implements sinks.Committer. Below the high-water mark everybody is let
// in; above it only who has less than a fair share of the journal waiting, so
// that one source's flood turns away that source. One share is kept for a source
// that has nothing waiting, however many there are, so that a flood without
// company ends there too. In a full journal, or while the disk refuses, nobody
// is let in.
func (j *Journal) Admit(source string) error {
	if !j.recovered.Load() {
		return &sinks.Error{Reason: sinks.ReasonOverloaded, Err: errRecovering}
	}
	if e := j.refusal(source); e != nil {
		return e
	}
	return nil
}

// refusal says why a source may not commit at present.
func (j *Journal) refusal(source string) *sinks.Error {
	if j.closing() {
		return &sinks.Error{Reason: sinks.ReasonClosed}
	}
	if err := j.log.Ready(); err != nil {
		return &sinks.Error{Reason: reason(err), Err: err}
	}
	used := j.used.Load()
	switch {
	case used >= j.room:
		return &sinks.Error{Reason: sinks.ReasonOverloaded, Err: errFull}
	case j.free.Load() < j.opt.ReserveBytes:
		return &sinks.Error{Reason: sinks.ReasonDiskFull, Err: errReserve}
	case used < j.highWater || source == "":
		return nil
	}
	all, own, shares := *j.sources.Load(), int64(0), int64(2)
	for name, s := range all {
		switch waiting := s.bytes.Load(); {
		case name == source:
			own = waiting
		case waiting > 0:
			shares++
		}
	}
	if own >= j.room/shares {
		return &sinks.Error{Reason: sinks.ReasonOverloaded, Err: errShare}
	}
	return nil
}
