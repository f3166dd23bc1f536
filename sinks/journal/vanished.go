package journal

// reroute has all records of the queue routed anew, because its log is there no
// more: a topic may be made again with fewer partitions. No reservation is open.
func (w *worker) reroute() {
	q, j := w.queue, w.queue.j
	j.mu.Lock()
	for i := range w.inFlight {
		it := &w.inFlight[i]
		it.seg.taken.clear(it.idx, it.rec)
		if at := it.position(); j.main.before(at) {
			it.seg.waiting-- // of an uncertain reservation; the main scan will come there
		} else {
			q.passOverLocked(at, it.at)
		}
		j.giveLocked(it)
	}
	q.leaveLocked()
	q.gone = true
	q.inFlight, q.oldest = 0, 0
	q.recoveredLocked()
	j.mu.Unlock()
	w.inFlight, w.suspects, w.voids = w.inFlight[:0], 0, 0
	wake(j.mainRoom)
	wake(j.backRoom)
}
