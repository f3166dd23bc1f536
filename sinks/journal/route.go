package journal

import (
	"time"

	"assent/sinks"
)

// dispatchLocked puts a record into its queue, or passes it over while that is left.
func (j *Journal) dispatchLocked(t *topic, it *item, main bool) {
	key := sinks.BodyKey(it.body)
	at := it.position()
	q := j.routeLocked(t, key, at, main)
	if q.state == left && !main && q.failing.IsZero() && !q.from.before(at) {
		q.state = returning // it has come right, and nothing of it lies behind
	}
	switch {
	case q.state == left:
		q.passOverLocked(at, it.at)
		return
	case q.state == returning && main:
		return // the back scan will come here
	case key != nil && q.disorderedLocked(at):
		q.leaveLocked() // it takes records of a partition that is gone
		q.passOverLocked(at, it.at)
		wake(j.back)
		return
	}
	it.seg.taken.set(it.idx, it.rec)
	q.enqueueLocked(q.holdLocked(*it))
}

// routeLocked picks the queue of a record. While records of a topic are parked, those
// that come after them join them, so that their order holds.
func (j *Journal) routeLocked(t *topic, key []byte, at position, main bool) *queue {
	if p := t.parked; p != nil {
		switch {
		case main && (p.queuedLocked() > 0 || p.state != following),
			p.queuedLocked() > 0 && p.items[p.head].position().before(at),
			p.state == left && !at.before(p.from):
			return p
		}
	}
	q, err := j.resolveLocked(t, key)
	if err != nil {
		return j.startedLocked(t, parkedPartition)
	}
	return q
}

// resolveLocked picks the queue of a record; one without a key need not wait for a queue
// that fails.
func (j *Journal) resolveLocked(t *topic, key []byte) (*queue, error) {
	id, err := j.fwd.Partition(t.name, key)
	if err != nil {
		return nil, err
	}
	q := j.startedLocked(t, id.Number)
	q.gone = false
	if key == nil && !q.healthyLocked() {
		for _, other := range t.queues {
			if other.healthyLocked() {
				return other, nil
			}
		}
	}
	return q, nil
}

// topicOfLocked returns a topic, making it known.
func (j *Journal) topicOfLocked(name []byte) *topic {
	if t := j.topics[string(name)]; t != nil {
		return t
	}
	t := &topic{name: string(name), queues: map[int32]*queue{}}
	t.bad = t.name == j.opt.BadTopic
	j.topics[t.name] = t
	return t
}

// queueLocked returns one of a topic's queues, making it known. The caller starts
// it.
func (j *Journal) queueLocked(t *topic, partition int32) (_ *queue, fresh bool) {
	if q := t.queues[partition]; q != nil {
		return q, false
	}
	q := &queue{
		window: &j.window, partition: sinks.Partition{Topic: t.name, Number: partition}, topic: t,
		parked: partition == parkedPartition, wake: make(chan struct{}, 1),
	}
	t.queues[partition] = q
	if q.parked {
		t.parked = q
	}
	j.queues = append(j.queues, q)
	j.window.queues++
	return q, true
}

// startedLocked returns one of a topic's queues, at work.
func (j *Journal) startedLocked(t *topic, partition int32) *queue {
	q, fresh := j.queueLocked(t, partition)
	if fresh {
		j.startLocked(q)
	}
	return q
}

// startLocked begins to send what the queue holds.
func (j *Journal) startLocked(q *queue) {
	if q.parked {
		j.running.Go(func() { j.park(q) })
	} else {
		w := &worker{j: j, queue: q}
		j.running.Go(w.run)
	}
}

// park sends what waits on to its queues as soon as there are some.
func (j *Journal) park(q *queue) {
	var backoff time.Duration
	o := &j.opt
	for {
		select {
		case <-q.wake:
		case <-j.stop:
			return
		}
		for backoff = o.minBackoff / 4; ; backoff = min(2*backoff, o.maxBackoff) {
			r := j.unpark(q)
			if r == progress {
				break
			}
			j.fail(q, r)
			if !j.sleep(backoff) {
				return
			}
		}
	}
}

func (j *Journal) unpark(q *queue) sinks.Reason {
	j.mu.Lock()
	defer j.mu.Unlock()
	if q.queuedLocked() == 0 {
		if _, err := j.resolveLocked(q.topic, nil); err != nil {
			return sinks.ReasonOf(err)
		}
	}
	for q.queuedLocked() > 0 {
		it := &q.items[q.head]
		key := sinks.BodyKey(it.body)
		to, err := j.resolveLocked(q.topic, key)
		switch {
		case err != nil:
			return sinks.ReasonOf(err)
		case to.state != following:
			return sinks.ReasonUnavailable // what it has left comes first
		case key != nil && to.disorderedLocked(it.position()):
			to.leaveLocked()
			q.leaveLocked()
			return sinks.ReasonUnavailable // both return, and all is read again
		}
		to.enqueueLocked(*it)
		q.bytes -= len(it.body)
		*it = item{}
		q.head++
	}
	q.items, q.head, q.urgent = q.items[:0], 0, false
	if q.recoveredLocked() {
		wake(j.back)
	}
	return progress
}
