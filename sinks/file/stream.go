package file

import (
	"io"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"assent/disk"
	"assent/sinks"
)

// tick is how often an idle stream looks at the age of its file and a failed
// one tries the disk again.
const tick = time.Second

// maxSpare is the largest buffer a stream keeps between groups.
const maxSpare = 4 << 20

// A group is the lines that share one write and one sync, and the calls that
// wait for it. Its members wait on done, then read err; the last to leave
// recycles it.
type group struct {
	buf     []byte
	records int
	members atomic.Int32
	done    sync.WaitGroup
	err     error
}

// A stream is one topic's folder and the one goroutine that writes to it. While
// that goroutine syncs one group, the next one fills.
type stream struct {
	sink  *Sink
	topic string
	dir   string
	wake  chan struct{} // capacity 1: the filling group is no longer empty, or the sink closes

	mu      sync.Mutex
	closed  bool
	filling *group   // never nil; empty while nobody waits
	idle    []*group // groups nobody refers to
	spare   []byte

	failed atomic.Pointer[sinks.Error] // why the last write failed; nil once one succeeded

	// Owned by run.
	file   disk.File // nil between files
	path   string
	size   int64 // all of it durable
	opened time.Time
	sequence
}

func newStream(s *Sink, topic, dir string) *stream {
	st := &stream{sink: s, topic: topic, dir: dir, wake: make(chan struct{}, 1)}
	st.filling = st.fresh()
	return st
}

// join appends the records of b from index first on that belong to this stream
// and returns the group that carries them.
func (st *stream) join(b *sinks.Batch, first int) (*group, error) {
	st.mu.Lock()
	g := st.filling
	if st.closed || len(g.buf) >= st.sink.opt.MaxPendingBytes {
		closed := st.closed
		st.mu.Unlock()
		if closed {
			return nil, meter.Failed(sinks.ReasonClosed, nil)
		}
		return nil, meter.Failed(sinks.ReasonOverloaded, nil)
	}
	opens := g.records == 0
	for i := first; i < len(b.Records); i++ {
		if r := &b.Records[i]; r.Topic == st.topic {
			g.buf = sinks.AppendLine(g.buf, r)
			g.records++
		}
	}
	g.members.Add(1)
	st.mu.Unlock()
	if opens {
		st.poke()
	}
	return g, nil
}

// leave waits until g was written and returns its outcome.
func (st *stream) leave(g *group) error {
	g.done.Wait()
	err := g.err
	if g.members.Add(-1) == 0 {
		st.mu.Lock()
		st.idle = append(st.idle, g)
		st.mu.Unlock()
	}
	return err
}

func (st *stream) poke() {
	select {
	case st.wake <- struct{}{}:
	default:
	}
}

// take exchanges the filling group for an empty one. It returns nil when
// nothing waits, and whether the stream is closed.
func (st *stream) take() (g *group, closed bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.filling.records > 0 {
		g = st.filling
		st.filling = st.fresh()
	}
	return g, st.closed
}

// fresh returns an empty group. The caller holds mu.
func (st *stream) fresh() *group {
	var g *group
	if n := len(st.idle); n > 0 {
		g, st.idle = st.idle[n-1], st.idle[:n-1]
	} else {
		g = new(group)
	}
	g.buf, st.spare = st.spare[:0], nil
	g.records, g.err = 0, nil
	g.done.Add(1)
	return g
}

// run writes group after group until the stream is closed and empty.
func (st *stream) run() {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-st.wake:
		case <-ticker.C:
			st.rest()
		}
		for {
			// Callers that are ready to run join this group: fewer, larger groups
			// cost less CPU, and an idle machine does not wait.
			runtime.Gosched()
			g, closed := st.take()
			if g == nil {
				if closed {
					st.finish()
					return
				}
				break
			}
			st.settle(g, st.write(g))
		}
	}
}

// settle publishes the outcome of g and takes its buffer back.
func (st *stream) settle(g *group, err error) {
	buf := g.buf
	g.buf = nil
	if err != nil {
		e := meter.Failed(reason(err), err)
		st.failed.Store(e)
		g.err = e
	} else {
		if st.failed.Load() != nil {
			st.failed.Store(nil)
		}
		meter.Committed(st.topic == st.sink.opt.BadTopic, g.records, len(buf))
	}
	g.done.Done()
	if cap(buf) <= maxSpare {
		st.mu.Lock()
		st.spare = buf
		st.mu.Unlock()
	}
}

// write makes g durable. After any error the file is given up: once a sync has
// failed the kernel may have dropped the dirty pages and report success for the
// next one, so what was durable before is kept, the rest is cut off, and the
// next group starts a new file.
func (st *stream) write(g *group) error {
	if st.file != nil && st.size+int64(len(g.buf)) > st.sink.opt.MaxFileBytes {
		st.finish()
	}
	if st.file == nil {
		if err := st.create(); err != nil {
			return err
		}
	}
	n, err := st.file.Write(g.buf)
	if err == nil && n < len(g.buf) {
		err = io.ErrShortWrite
	}
	if err == nil {
		start := time.Now()
		err = st.file.Sync()
		syncSeconds.Observe(int64(time.Since(start)))
	}
	if err != nil {
		st.abandon()
		return err
	}
	st.size += int64(len(g.buf))
	return nil
}

// create opens the next file and makes its name durable.
func (st *stream) create() error {
	opt := &st.sink.opt
	now := opt.Now()
	path := filepath.Join(st.dir, st.next(now)+extension)
	f, err := opt.FS.Create(path)
	if err != nil {
		return err
	}
	if err := opt.FS.SyncDir(st.dir); err != nil {
		f.Close()
		opt.FS.Remove(path)
		return err
	}
	st.file, st.path, st.size, st.opened = f, path, 0, now
	return nil
}

// finish closes the file, whose every byte is durable, and hands it to the
// compressor.
func (st *stream) finish() {
	if st.file == nil {
		return
	}
	st.file.Close()
	st.sink.compress(st.path)
	st.file = nil
}

// abandon closes a file that failed and tries to leave nothing in it that was
// not acknowledged. What it cannot cut off, a sender's retry doubles.
func (st *stream) abandon() {
	opt := &st.sink.opt
	if st.size == 0 {
		st.file.Close()
		opt.FS.Remove(st.path)
	} else {
		st.file.Truncate(st.size)
		st.file.Close()
	}
	st.file = nil
}

// rest closes a file that is old enough, and after a failure tries whether the
// disk takes data again, because a node that is not ready gets no traffic to
// find out with.
func (st *stream) rest() {
	opt := &st.sink.opt
	if st.file != nil && opt.Now().Sub(st.opened) >= opt.MaxFileAge {
		st.finish()
	}
	if st.failed.Load() != nil && st.sink.probe(st.dir) == nil {
		st.failed.Store(nil)
	}
}

// reason classifies an error of the operating system.
func reason(err error) sinks.Reason {
	if disk.IsFull(err) {
		return sinks.ReasonDiskFull
	}
	return sinks.ReasonIO
}
