package journal

import (
	"context"
	"encoding/binary"
	"strings"
	"testing"

	"assent/disk/disktest"
	"assent/sinks"
	"assent/wal"
)

// A past is a journal as an earlier process may have left it.
type past struct {
	t   *testing.T
	fs  *disktest.Mem
	log *wal.Log
	cur *wal.Cursor

	sizes map[ref]int
}

func newPast(t *testing.T) *past {
	p := &past{t: t, fs: memory(), sizes: map[ref]int{}}
	log, err := wal.Open(wal.Options{Dir: "journal", FS: p.fs, SegmentBytes: 8 << 10, MaxBytes: 4 << 20, ReserveBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	p.log, p.cur = log, log.Cursor(0)
	return p
}

// write appends an entry and returns where it stands.
func (p *past) write(entry []byte) position {
	p.t.Helper()
	if err := p.log.Append(entry); err != nil {
		p.t.Fatal(err)
	}
	e, err := p.cur.Next(context.Background())
	if err != nil {
		p.t.Fatal(err)
	}
	e.Block.Release()
	return position{e.Segment, e.Index}
}

func (p *past) event(n int) ref {
	entry, size := appendEvent(nil, &sinks.Event{Provenance: sinks.Provenance{Source: "web"}}, []sinks.Record{record("events", "ada", n)}, 1, 0, false)
	r := ref{p.write(entry), 0}
	p.sizes[r] = int(size)
	return r
}

// turn begins a new segment.
func (p *past) turn() {
	filler := settled{topic: strings.Repeat("x", 9<<10)}
	p.write(filler.append(nil))
}

func (p *past) load(refs ...ref) (l load) {
	for _, r := range refs {
		l.add(r, "web", p.sizes[r])
	}
	return l
}

func (p *past) reservation(id uint64, refs ...ref) {
	bytes := binary.LittleEndian.AppendUint64(nil, 77<<32|id)
	bytes = binary.LittleEndian.AppendUint32(bytes, 0)
	bytes = binary.LittleEndian.AppendUint32(bytes, uint32(len(refs)))
	pl := reservation{id: id, partition: sinks.Partition{Topic: "events"}, bytes: bytes, load: p.load(refs...)}
	p.write(pl.append(nil))
}

func (p *past) settled(reservation uint64, refs ...ref) {
	s := settled{cause: causeAcked, reservation: reservation, topic: "events", load: p.load(refs...)}
	p.write(s.append(nil))
}

// forwarded returns what a journal makes of it: the ids stored, in order.
func (p *past) forwarded() (string, *Journal) {
	p.t.Helper()
	if err := p.log.Close(context.Background()); err != nil {
		p.t.Fatal(err)
	}
	b := newBroker(1, map[string]int32{"events": 1})
	b.partition(sinks.Partition{Topic: "events"})
	opt := quick(p.fs, b.client())
	opt.keepEvery = 1 << 40
	j := open(p.t, opt)
	empty(p.t, j)
	return strings.Join(ids(b.records("events")[0]), " "), j
}

func TestRecovery(t *testing.T) {
	f := func(name, want string, recovered int, write func(p *past)) {
		t.Run(name, func(t *testing.T) {
			p := newPast(t)
			write(p)
			got, j := p.forwarded()
			if got != want {
				t.Errorf("stored %q, want %q", got, want)
			}
			if n := int(j.m.recovered.Get()); n != recovered {
				t.Errorf("%d recovered, want %d", n, recovered)
			}
		})
	}
	f("nothing reserved", "ada-1 ada-2", 2, func(p *past) { p.event(1); p.event(2) })
	f("an open reservation goes first", "ada-2 ada-1 ada-3", 3, func(p *past) {
		p.event(1)
		r := p.event(2)
		p.event(3)
		p.reservation(1, r)
	})
	f("a settled reservation", "ada-2", 1, func(p *past) {
		r := p.event(1)
		p.reservation(1, r)
		p.event(2)
		p.settled(1, r)
	})
	f("a reservation that is void", "ada-1 ada-2", 2, func(p *past) {
		p.event(1)
		p.reservation(1, p.event(2))
		p.write(appendVoid(nil, 1))
	})
	f("a settlement whose reservation was eaten", "ada-2", 1, func(p *past) {
		p.settled(1, p.event(1))
		p.event(2)
	})
	f("a reservation whose void was eaten, repeated by a settled one", "ada-2", 1, func(p *past) {
		r, s := p.event(1), p.event(2)
		p.reservation(1, r, s)
		p.reservation(2, r)
		p.settled(2, r)
	})
	f("a reservation of which a record was eaten", "ada-1 ada-2", 2, func(p *past) {
		r := p.event(1)
		p.reservation(1, r, ref{position{r.seg, 1000}, 0})
		p.event(2)
	})
	f("a settlement of records that are released", "ada-3", 1, func(p *past) {
		r := p.event(1)
		p.turn()
		s := p.event(2)
		p.settled(1, r, s)
		p.event(3)
		p.release(s.seg)
	})
	f("a reservation with records that are released was settled", "ada-3", 1, func(p *past) {
		r := p.event(1)
		p.turn()
		s := p.event(2)
		p.reservation(1, r, s)
		p.event(3)
		p.release(s.seg)
	})
	f("a reservation that a horizon ended, with records that are dropped", "ada-1", 1, func(p *past) {
		r := p.event(1)
		p.turn()
		s := p.event(2)
		p.turn()
		p.reservation(1, r, s)
		p.write((&horizon{below: 2}).append(nil))
		p.drop(s.seg)
	})
	f("a reservation that a horizon left open, with records that are dropped", "", 0, func(p *past) {
		r := p.event(1)
		p.turn()
		s := p.event(2)
		p.turn()
		p.reservation(1, r, s)
		p.write((&horizon{below: 2, open: []uint64{1}}).append(nil))
		p.drop(s.seg)
	})
	f("a reservation that is younger than a horizon", "ada-2 ada-1", 2, func(p *past) {
		p.event(1)
		r := p.event(2)
		p.write((&horizon{below: 3}).append(nil))
		p.reservation(3, r)
	})
	f("settlements that are dropped, and their sum", "ada-2", 1, func(p *past) {
		r := p.event(1)
		p.event(2)
		p.turn()
		s := p.event(3)
		p.settled(0, r, s)
		p.turn()
		sum := settled{cause: causeSummed, load: load{refs: []ref{r}}}
		p.write(sum.append(nil))
		p.drop(s.seg)
	})
	f("two open reservations, in their order", "ada-2 ada-1 ada-3", 3, func(p *past) {
		r, s := p.event(1), p.event(2)
		p.event(3)
		p.reservation(1, s)
		p.reservation(2, r)
	})
}

// release gives up the segments before one, durably.
func (p *past) release(before uint64) {
	p.t.Helper()
	p.log.Release(before)
	eventually(p.t, "the segment is gone", func() bool { return len(p.fs.Files(".wal")) == int(p.log.Usage().Segments) })
}

// drop gives up one segment, durably.
func (p *past) drop(number uint64) {
	p.t.Helper()
	p.log.Drop(number)
	eventually(p.t, "the segment is gone", func() bool { return len(p.fs.Files(".wal")) == int(p.log.Usage().Segments) })
}
