package crash

import (
	"fmt"
	"slices"
	"time"

	kafkatest "assent/test/kafka"
)

// An event is what a client knows of one it sent.
type event struct {
	id    string
	key   string // "" for an event without a key
	acked bool
	sent  time.Duration // for the first time, since the load began
	// mayMiss: its subject withdrew after it was acknowledged, so that it may have
	// been withheld instead.
	mayMiss bool
}

// verdict is how what was stored compares with what was sent.
type verdict struct {
	acked      int
	lost       int // acknowledged and nowhere
	doubled    int // more than once, acknowledged or not
	disordered int // behind a younger acknowledged event of the same key
	strange    int // stored and never sent, or under another key
	withheld   int // null values, and what is missing and may be
	unasked    int // stored and never acknowledged: allowed, once
	evidence   []string
}

const mostEvidence = 20

func (v *verdict) blame(count *int, format string, args ...any) {
	*count++
	if len(v.evidence) < mostEvidence {
		v.evidence = append(v.evidence, fmt.Sprintf(format, args...))
	}
}

// ok reports whether nothing was violated.
func (v *verdict) ok() bool { return v.lost+v.doubled+v.disordered+v.strange == 0 }

func (v *verdict) String() string {
	return fmt.Sprintf("%d acknowledged, %d lost, %d doubled, %d out of order, %d strange, %d withheld, %d stored without an acknowledgement",
		v.acked, v.lost, v.doubled, v.disordered, v.strange, v.withheld, v.unasked)
}

// place is where a record was found.
type place struct {
	partition int
	offset    int64
}

func (p place) String() string { return fmt.Sprintf("%d/%d", p.partition, p.offset) }

// check compares. sent holds every event of every client, those of one key in the
// order they were sent, one after the other's answer; stored is the topic by
// partition in order of offset. The order of a key is checked in each partition:
// a key moves only when partitions are added.
func check(sent []event, stored []kafkatest.Entry) *verdict {
	v := &verdict{}
	index := make(map[string]int, len(sent))
	for i := range sent {
		if _, twice := index[sent[i].id]; twice {
			panic("a client used an id twice: " + sent[i].id)
		}
		index[sent[i].id] = i
	}
	found := make([][]place, len(sent))
	type lane struct {
		key       string
		partition int
	}
	newest := map[lane]int{} // index in sent of the youngest acknowledged event seen
	for _, e := range stored {
		at := place{e.Partition, e.Offset}
		id := e.ID
		if e.Key == "" {
			id = e.Message // such an event's ce_id is made anew
		}
		if e.Null {
			// What is left of a withheld record names nobody, or its event.
			v.withheld++
			if i, ok := index[id]; ok && id != "" {
				found[i] = append(found[i], at)
			}
			if !e.Withheld {
				v.blame(&v.strange, "null value without its header at %s", at)
			}
			continue
		}
		i, ok := index[id]
		switch {
		case !ok:
			v.blame(&v.strange, "record %q at %s was never sent", id, at)
			continue
		case sent[i].key != e.Key:
			v.blame(&v.strange, "event %s at %s has key %q, want %q", id, at, e.Key, sent[i].key)
		}
		found[i] = append(found[i], at)
		if len(found[i]) > 1 || !sent[i].acked || e.Key == "" {
			continue
		}
		l := lane{e.Key, e.Partition}
		if before, ok := newest[l]; ok && before > i {
			v.blame(&v.disordered, "event %s at %s is behind %s, which was sent later", id, at, sent[before].id)
			continue
		}
		newest[l] = i
	}
	for i := range sent {
		e, n := &sent[i], len(found[i])
		if e.acked {
			v.acked++
		}
		switch {
		case n > 1:
			v.blame(&v.doubled, "event %s (sent %s after the start, acknowledged: %t) is there %d times: %s", e.id, e.sent, e.acked, n, slices.Clone(found[i]))
		case n == 1 && !e.acked:
			v.unasked++
		case n == 0 && e.acked && e.mayMiss:
			v.withheld++
		case n == 0 && e.acked:
			v.blame(&v.lost, "event %s (sent %s after the start) was acknowledged and is nowhere", e.id, e.sent)
		}
	}
	return v
}
