package journal

// handBack has all records of the lane routed anew, because its log is there no
// more: a topic may be made again with fewer partitions. No reservation is open.
func (w *worker) handBack() {
	l, j := w.lane, w.lane.j
	j.mu.Lock()
	for i := range w.hand {
		it := &w.hand[i]
		it.seg.taken.clear(it.idx, it.rec)
		if at := it.position(); j.main.before(at) {
			it.seg.waiting-- // of an uncertain reservation; the main scan will come there
		} else {
			l.passOver(at, it.at)
		}
		j.give(it)
	}
	l.leave()
	l.gone = true
	l.hand, l.oldest = 0, 0
	l.mend()
	j.mu.Unlock()
	w.hand, w.suspects, w.voids = w.hand[:0], 0, 0
	poke(j.mainRoom)
	poke(j.backRoom)
}
