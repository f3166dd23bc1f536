package wal

import (
	"cmp"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"assent/disk"
)

// A segment is one file of the log.
type segment struct {
	number, nonce uint64
	path          string
	created       int64 // milliseconds since 1970
	headless      bool  // its header cannot be read
	size          int64 // of the file, as an earlier process left it
	grows         bool  // its file is not full of zeros
	stale         bool  // a former life's bytes may be behind end
	failed        bool  // something may have been written behind end

	born    atomic.Int64 // no later than its first entry; 0: there is none
	end     atomic.Int64 // durable entries end here; unknown: nobody has looked
	final   atomic.Bool  // end does not grow any more
	retired atomic.Bool  // its file may be overwritten

	counted sync.Mutex
	used    int64 // what it counts for in Log.used

	looking  sync.Mutex // held to find end and to report damage
	reported map[int64]bool
}

const unknown = -1

func makeDir(opt *Options) error {
	if err := disk.MakeDir(opt.FS, opt.Dir); err != nil {
		return fmt.Errorf("creating log directory: %w", err)
	}
	return nil
}

// find lists the segments that are there, in order, and hands all other files of
// the log to the recycler.
func (l *Log) find() ([]*segment, error) {
	entries, err := l.opt.FS.ReadDir(l.opt.Dir)
	if err != nil {
		return nil, err
	}
	var segments []*segment
	for _, e := range entries {
		number, nonce, state, ok := parseName(e.Name())
		if !ok {
			continue
		}
		path := filepath.Join(l.opt.Dir, e.Name())
		if state != live {
			l.recycler.adopt(path, state)
			continue
		}
		s := &segment{number: number, nonce: nonce, path: path}
		s.end.Store(unknown)
		s.final.Store(true)
		segments = append(segments, s)
	}
	slices.SortFunc(segments, func(a, b *segment) int {
		return cmp.Or(cmp.Compare(a.number, b.number), cmp.Compare(a.nonce, b.nonce))
	})
	ends := map[uint64]int64{}
	for _, s := range segments {
		h, err := l.look(s)
		if s.headless = err != nil; !s.headless && h.before != 0 {
			ends[h.before] = h.end
		}
		s.created = h.created
	}
	young := l.opt.Now().UnixMilli()
	for _, s := range slices.Backward(segments) {
		s.used = s.size
		if end, known := ends[s.number]; known {
			s.end.Store(end)
			s.used = end
		}
		l.used.Add(s.used)
		if s.headless {
			s.created = young // it is no younger
		}
		young = s.created
		s.born.Store(s.created)
	}
	return segments, nil
}

// look reads the size and the header of a segment.
func (l *Log) look(s *segment) (h header, err error) {
	f, err := l.opt.FS.OpenRead(s.path)
	if err != nil {
		return h, err
	}
	defer f.Close()
	if s.size, err = f.Size(); err != nil {
		return h, err
	}
	buf := make([]byte, headerBytes)
	if _, err := f.ReadAt(buf, 0); err != nil && err != io.EOF {
		return h, err
	}
	h, ok := parseHeader(buf)
	if !ok || h.number != s.number || h.nonce != s.nonce {
		return header{}, io.ErrUnexpectedEOF
	}
	return h, nil
}

// scan finds the end of a segment that an earlier process left, unless it is
// known: behind the last group that is certainly whole, and what can be read
// without a gap of the group after it.
func (l *Log) scan(s *segment, r reader) error {
	s.looking.Lock()
	defer s.looking.Unlock()
	if s.end.Load() != unknown {
		return nil
	}
	r.off, r.end = headerBytes, s.size
	defer r.close()
	var group uint32
	end, chain := int64(headerBytes), int64(headerBytes)
	for {
		f, payload, _, err := r.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if payload == nil {
			continue
		}
		at := r.off - frameBytes - int64(len(payload))
		if f.group != group {
			// What is before a group was durable when the group was written.
			group, end, chain = f.group, int64(f.group), int64(f.group)
		}
		if at == chain {
			chain = r.off
			if !f.more {
				end = chain
			}
		}
	}
	l.torn(s, end, r.seen-end)
	s.counted.Lock()
	if !s.retired.Load() {
		l.used.Add(end - s.used)
		s.used = end
	}
	s.counted.Unlock()
	s.end.Store(end)
	return nil
}
