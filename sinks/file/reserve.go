package file

import (
	"errors"
	"math"

	"assent/disk"
	"assent/sinks"
)

// Events leave the file system's last bytes alone: people's choices are recorded there
// too, and nobody may be collected from who can no longer refuse.

var errReserve = errors.New("the file system has less than the reserve left, which is for people's choices")

// sized is a file system that knows how large it is.
type sized interface {
	Total(path string) (int64, error)
}

// reserve is what events leave free: Options.ReserveBytes, or three eighths of a file
// system that is small.
func (o *Options) reserve() int64 {
	least := o.ReserveBytes
	if s, ok := o.FS.(sized); ok {
		if total, err := s.Total(o.Dir); err == nil {
			least = min(least, total/8*3)
		}
	}
	return least
}

// measure looks how much room there is beyond the reserve.
func (s *Sink) measure() int64 {
	free, err := s.opt.FS.Free(s.opt.Dir)
	if err != nil {
		free = math.MaxInt64 // a failed write will tell
	}
	s.room.Store(free - s.reserved)
	return free - s.reserved
}

// hasRoom refuses events for which there is no room. Only the writer looks at the disk:
// once a second, and before a group for which there may be too little.
func (s *Sink) hasRoom() error {
	if s.room.Load() < 0 {
		return &sinks.Error{Reason: sinks.ReasonDiskFull, Err: errReserve}
	}
	return nil
}

var _ sized = disk.OS{}
