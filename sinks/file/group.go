package file

import (
	"cmp"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"assent/sinks"
)

// tick is how often an idle writer looks at the age of its files and tries the
// disk again after a failure.
const tick = time.Second

// maxSpare is the largest buffer a group keeps for each topic.
const maxSpare = 4 << 20

// A group is the batches that share one write and one sync of each topic, and the
// calls that wait for it. Its members wait on done, then read err; the last to
// leave recycles it.
type group struct {
	parts   []*part // one a topic, empty ones among them
	ids     []sinks.ID
	bytes   int
	members atomic.Int32
	done    sync.WaitGroup
	err     error
}

// A part is the lines of a group that go to one topic.
type part struct {
	*stream
	buf     []byte
	records int
}

// join adds a batch to the group that fills.
func (s *Sink) join(b *sinks.Batch) (*group, error) {
	for i := range b.Records {
		if _, err := s.stream(b.Records[i].Topic); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.filling
	switch {
	case s.closed:
		return nil, meter.Failed(sinks.ReasonClosed, nil)
	case g.bytes >= s.opt.MaxPendingBytes:
		return nil, meter.Failed(sinks.ReasonOverloaded, nil)
	}
	for i := range b.Records {
		p := s.part(g, b.Records[i].Topic)
		g.bytes -= len(p.buf)
		p.buf = sinks.AppendLine(p.buf, &b.Records[i])
		p.records++
		g.bytes += len(p.buf)
	}
	for i := range b.Events {
		if id := b.Events[i].ID; id != (sinks.ID{}) {
			g.ids = append(g.ids, id)
		}
	}
	if g.members.Add(1) == 1 {
		s.wake()
	}
	return g, nil
}

// part returns the part of a group for a topic that has a stream.
func (s *Sink) part(g *group, topic string) *part {
	for _, p := range g.parts {
		if p.topic == topic {
			return p
		}
	}
	p := &part{stream: (*s.streams.Load())[topic]}
	g.parts = append(g.parts, p)
	return p
}

// leave waits until g was written and returns its outcome.
func (s *Sink) leave(g *group) error {
	g.done.Wait()
	err := g.err
	if g.members.Add(-1) == 0 {
		s.mu.Lock()
		s.idle = append(s.idle, g)
		s.mu.Unlock()
	}
	return err
}

func (s *Sink) wake() {
	select {
	case s.woken <- struct{}{}:
	default:
	}
}

// take exchanges the filling group for an empty one. It returns nil when nothing
// waits, and whether the sink is closed.
func (s *Sink) take() (g *group, closed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.filling.bytes > 0 {
		g = s.filling
		s.filling = s.fresh()
	}
	return g, s.closed
}

// fresh returns an empty group. The caller holds mu.
func (s *Sink) fresh() *group {
	var g *group
	if n := len(s.idle); n > 0 {
		g, s.idle = s.idle[n-1], s.idle[:n-1]
	} else {
		g = new(group)
	}
	for _, p := range g.parts {
		p.buf, p.records = p.buf[:0], 0
		if cap(p.buf) > maxSpare {
			p.buf = nil
		}
	}
	g.ids, g.bytes, g.err = g.ids[:0], 0, nil
	g.done.Add(1)
	return g
}

// run writes group after group until the sink is closed and nothing waits.
func (s *Sink) run() {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-s.woken:
		case <-ticker.C:
			s.measure()
			s.look()
			for _, st := range *s.streams.Load() {
				st.rest()
			}
		case <-s.reopen:
			for _, st := range *s.streams.Load() {
				st.finish()
			}
		}
		// Callers that are ready to run join this group, and after it the next one:
		// fewer, larger groups cost less CPU, and an idle machine does not wait.
		runtime.Gosched()
		g, closed := s.take()
		if g != nil {
			s.publish(g, s.write(g))
			runtime.Gosched()
		}
		if closed {
			s.finish()
			return
		}
	}
}

// write makes g durable, or leaves nothing of it. Where somebody moves or cuts a file
// under a group, new files take all of it.
func (s *Sink) write(g *group) error {
	err := s.try(g)
	if errors.Is(err, errMoved) {
		err = s.try(g)
	}
	return err
}

// try writes g once. Before its first line the undo record says how to take it back:
// whoever finds a group that was cut short by a crash does.
func (s *Sink) try(g *group) error {
	s.parts = s.parts[:0]
	if bytes := int64(g.bytes); s.room.Add(-bytes) < 0 && s.measure() < bytes {
		return errReserve
	}
	for _, p := range g.parts {
		if p.records == 0 {
			continue
		}
		if err := p.prepare(len(p.buf)); err != nil {
			return err
		}
		s.parts = append(s.parts, p)
	}
	if err := s.undo.write(&s.opt, s.parts, g.ids); err != nil {
		return err
	}
	s.syncs.Add(len(s.parts) - 1)
	for _, p := range s.parts[1:] {
		p.work <- p.buf
	}
	first := s.parts[0]
	first.err = first.append(first.buf)
	s.syncs.Wait()
	var err error
	for _, p := range s.parts {
		err = cmp.Or(err, p.err)
	}
	if err == nil {
		err = s.undo.done()
	}
	if err != nil {
		abandon(s.parts)
		return err
	}
	for _, p := range s.parts {
		p.size += int64(len(p.buf))
	}
	if len(g.ids) > 0 {
		s.opt.Committed(g.ids)
	}
	return nil
}

// publish publishes the outcome of g.
func (s *Sink) publish(g *group, err error) {
	if err != nil {
		e := meter.Failed(reason(err), err)
		g.err = e
		for _, p := range g.parts {
			if p.records > 0 {
				p.failed.Store(e)
			}
		}
	} else {
		for _, p := range s.parts {
			if p.failed.Load() != nil {
				p.failed.Store(nil)
			}
			meter.Committed(p.topic == s.opt.BadTopic, p.records, len(p.buf))
		}
	}
	g.done.Done()
}

// finish closes what is open. Nobody joins any more.
func (s *Sink) finish() {
	for _, st := range *s.streams.Load() {
		st.finish()
		close(st.work)
	}
	_ = s.undo.remove(&s.opt) // one that is left does no harm
}
