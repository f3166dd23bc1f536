package journal

import (
	"sync"
	"time"
)

const (
	// late is the age in milliseconds from which a record is backlog.
	late = 2000
	// maxTurn is how long a queue that hangs keeps its turn from others.
	maxTurn = 100 * time.Millisecond
	// maxWait is how long a queue waits for its turn before it goes without: far less
	// than forwarders give the records of a vanished partition to come to light.
	maxWait = 2 * time.Second
	// paceWindow is over how long it is seen what comes in and what goes out.
	paceWindow = time.Second
)

// A pacer keeps a backlog from taking the machine from those who send: queues
// take turns to send what is late, one for every two processors at a time, and
// after each they rest as long as they worked. A queue that hangs loses its turn,
// and one that waited for long goes without.
//
// Turns cost a backlog little (fewer batches at a time suit the log downstream as
// well), rests half its speed: nobody rests while nothing comes in or a sender
// waits for delivery. There is neither while the journal drains or turns senders away, nor
// in the window after one in which less than twice of what came in went out, so
// that pacing does not keep a backlog from ending.
type pacer struct {
	turns chan struct{}

	mu      sync.Mutex
	since   time.Time // when the window began
	waiting int64     // records at that time
	settled int64     // since
	aside   bool      // no turns: too little went out
	alone   bool      // no rests: nothing came in
}

func newPacer(processors int) *pacer {
	return &pacer{turns: make(chan struct{}, max(1, processors/2))}
}

// count notes that records are settled.
func (p *pacer) count(n int) {
	p.mu.Lock()
	p.settled += int64(n)
	p.mu.Unlock()
}

// look judges the window that has ended, given how many records wait now, and
// reports whether there are turns, and rests after them.
func (p *pacer) look(waiting int64) (turns, rests bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if age := time.Since(p.since); age >= paceWindow {
		came := waiting - p.waiting + p.settled
		// Of an old window nobody knows how much of it was backlog, and where nothing goes
		// out, nothing is to be gained.
		known := age < 2*paceWindow && p.settled > 0
		p.aside = known && p.settled < 2*came
		p.alone = known && came <= 0
		p.since, p.waiting, p.settled = time.Now(), waiting, 0
	}
	return !p.aside, !p.alone
}

// turn runs f when it is this queue's turn, and then rests, if asked to. It
// returns at once when stop is closed, without having run f.
func (p *pacer) turn(stop <-chan struct{}, rest bool, f func()) {
	waited := time.NewTimer(maxWait)
	defer waited.Stop()
	select {
	case p.turns <- struct{}{}:
	case <-waited.C:
		f()
		return
	case <-stop:
		return
	}
	var once sync.Once
	end := func() { once.Do(func() { <-p.turns }) }
	defer end()
	hanging := time.AfterFunc(maxTurn, end)
	start := time.Now()
	f()
	hanging.Stop()
	if !rest {
		return
	}
	t := time.NewTimer(min(time.Since(start), maxTurn))
	defer t.Stop()
	select {
	case <-t.C:
	case <-stop:
	}
}

// A bisector says how many records the next reservation takes. Of a batch that the
// log downstream refuses it takes half, and half of that, so that the record that is
// to blame is found in a few steps.
type bisector struct {
	suspects int // among so many records in flight one is refused for good
	ramp     int // records under one reservation, doubled by each success, since one was; 0: no limit
	maxBytes int // of bodies under one reservation, since the log found more too large; 0: no limit
}

// next returns how many of the records in flight the next reservation takes.
func (b *bisector) next(inFlight []item) int {
	n := len(inFlight)
	if b.suspects > 0 {
		n = (b.suspects + 1) / 2
	}
	if b.ramp > 0 {
		n = min(n, b.ramp)
	}
	if b.maxBytes == 0 {
		return n
	}
	size := 0
	for i := range n {
		if size += len(inFlight[i].body); size > b.maxBytes && i > 0 {
			return i
		}
	}
	return n
}

// stored notes that so many records are stored; most is the ramp's end.
func (b *bisector) stored(n, most int) {
	b.left(n)
	if b.ramp *= 2; b.ramp > most {
		b.ramp = 0
	}
}

// left notes that so many of the records are in flight no more.
func (b *bisector) left(n int) { b.suspects = max(0, b.suspects-n) }

// refused notes that one of several records is refused, or all are too large together.
func (b *bisector) refused(items []item, tooLarge bool) {
	b.suspects = len(items)
	if !tooLarge {
		return
	}
	size := 0
	for i := range items {
		size += len(items[i].body)
	}
	b.maxBytes = max(1, size/2)
}

// found notes that the record is found. In a flood of such records each one costs one
// reservation.
func (b *bisector) found() { *b = bisector{ramp: 1} }
