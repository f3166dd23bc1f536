package journal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"assent/disk"
	"assent/sinks"
	"assent/wal"
)

// An Item is one entry of a journal as it may be shown to an operator: no key, no
// value, no header's value, nothing of a subject.
type Item struct {
	Segment uint64
	Index   uint32
	Kind    string // event, plan (a reservation), settled, void, horizon
	Bytes   int    // of the entry

	// Of an event.
	At      time.Time // also of a reservation
	Source  string
	Place   string // jurisdiction
	Policy  string // hash
	Records []ItemRecord

	// Of what forwarding wrote down.
	Reservation uint64          // 0: none; of a horizon the first that it does not end
	Partition   sinks.Partition // of a reservation; of a settlement the topic alone
	Number      int             // of records it names, or of reservations a horizon leaves open
	Cause       string          // of a settlement: stored, withheld, refused, summed
}

// An ItemRecord is one record of an Item.
type ItemRecord struct {
	Topic   string
	Value   int      // its size; -1: a null value
	Headers []string // their names
	Waiting bool     // it is not settled
}

// Totals is what a whole journal holds.
type Totals struct {
	Segments, Entries, Events, Records int
	Waiting                            int   // records not settled
	Bytes                              int64 // of entries
	Unreadable                         int   // entries that are whole and mean nothing
	Regions                            []Region
}

// A Region is a part of a segment that holds no entry: where it is and how long,
// never its bytes. Its Kind is one of RegionKinds.
type Region struct {
	Kind string
	wal.Damage
}

// Of returns how many regions there are of a kind, and their bytes.
func (t *Totals) Of(kind string) (n int, bytes int64) {
	for _, r := range t.Regions {
		if r.Kind == kind {
			n++
			bytes += r.Bytes
		}
	}
	return n, bytes
}

// RegionKinds are the kinds of regions: damaged ones hold nothing readable where
// there was something; of quarantined ones the bytes are kept, also when their
// segment is gone; torn ones were cut off by a crash, acknowledged to nobody.
var RegionKinds = []string{"damaged", "quarantined", "torn"}

var causes = map[cause]string{causeAcked: "stored", causeWithheld: "withheld", causePoison: "refused", causeSummed: "summed"}

// Inspect reads the journal in a directory and calls f for each of its entries,
// in order. It changes nothing there, and the process that has the journal open
// is not in its way; what that one releases meanwhile may look damaged, and what
// it is writing torn. The Item is valid until f returns.
func Inspect(dir string, f func(*Item) error) (Totals, error) {
	return inspect(disk.OS{}, dir, f)
}

func inspect(system disk.FS, dir string, f func(*Item) error) (t Totals, err error) {
	if _, err := system.ReadDir(dir); err != nil {
		return t, fmt.Errorf("reading journal: %w", err)
	}
	region := func(kind string) func(wal.Damage) {
		return func(d wal.Damage) { t.Regions = append(t.Regions, Region{kind, d}) }
	}
	log, err := wal.Open(wal.Options{Dir: dir, FS: readOnly{system}, Damaged: region("damaged"), Torn: region("torn")})
	if err != nil {
		return t, fmt.Errorf("reading journal: %w", err)
	}
	defer log.Close(context.Background())
	kept, err := wal.Quarantined(system, dir)
	if err != nil {
		return t, fmt.Errorf("reading quarantine: %w", err)
	}
	for _, d := range kept {
		region("quarantined")(d)
	}
	v := &viewer{done: segments{boot: log.Boot()}}
	if err := v.scan(log, v.learn); err != nil {
		return t, err
	}
	var last uint64
	err = v.scan(log, func(e *wal.Entry) error {
		if t.Entries == 0 || e.Segment != last {
			t.Segments++
			last = e.Segment
		}
		t.Entries++
		t.Bytes += int64(len(e.Payload))
		if err := v.view(e); err != nil {
			t.Unreadable++
			return nil
		}
		if v.item.Kind == "event" {
			t.Events++
		}
		t.Records += len(v.item.Records)
		for i := range v.item.Records {
			if v.item.Records[i].Waiting {
				t.Waiting++
			}
		}
		return f(&v.item)
	})
	slices.SortStableFunc(t.Regions, func(a, b Region) int {
		return cmp.Or(cmp.Compare(a.Segment, b.Segment), cmp.Compare(a.Offset, b.Offset))
	})
	return t, err
}

// A viewer turns entries into Items.
type viewer struct {
	done        segments // what is settled
	item        Item
	event       event
	reservation reservation
	settled     settled
	horizon     horizon
	record      sinks.Record
}

// scan calls f for every entry.
func (v *viewer) scan(log *wal.Log, f func(*wal.Entry) error) error {
	cursor := log.Cursor(0)
	defer cursor.Close()
	for {
		e, ok, err := cursor.TryNext()
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("reading journal: %w", err)
		}
		if err != nil || !ok {
			return nil
		}
		if len(e.Payload) > 0 {
			err = f(&e)
		}
		e.Block.Release()
		if err != nil {
			return err
		}
	}
}

// learn notes what an entry settles.
func (v *viewer) learn(e *wal.Entry) error {
	if kind(e.Payload[0]) != kindSettled || v.settled.parse(e.Payload) != nil {
		return nil
	}
	for _, r := range v.settled.load.refs {
		v.done.get(r.seg).taken.set(r.idx, r.rec)
	}
	return nil
}

// view reads an entry into the item.
func (v *viewer) view(e *wal.Entry) error {
	v.item = Item{Segment: e.Segment, Index: e.Index, Bytes: len(e.Payload), Records: v.item.Records[:0]}
	it := &v.item
	switch kind(e.Payload[0]) {
	case kindEvent:
		it.Kind = "event"
		return v.viewEvent(e)
	case kindReservation:
		it.Kind = "plan"
		if err := v.reservation.parse(e.Payload); err != nil {
			return err
		}
		it.At, it.Reservation, it.Partition, it.Number = time.UnixMilli(v.reservation.at).UTC(), v.reservation.id, v.reservation.partition, len(v.reservation.load.refs)
		return nil
	case kindSettled:
		it.Kind = "settled"
		if err := v.settled.parse(e.Payload); err != nil {
			return err
		}
		s := &v.settled
		it.Reservation, it.Partition.Topic, it.Number, it.Cause = s.reservation, s.topic, len(s.load.refs), causes[s.cause]
		return nil
	case kindVoid:
		it.Kind = "void"
		var err error
		it.Reservation, err = parseVoid(e.Payload)
		return err
	case kindHorizon:
		it.Kind = "horizon"
		err := v.horizon.parse(e.Payload)
		it.Reservation, it.Number = v.horizon.below, len(v.horizon.open)
		return err
	}
	return errEntry
}

func (v *viewer) viewEvent(e *wal.Entry) error {
	it, ev := &v.item, &v.event
	if err := ev.parse(e.Payload); err != nil {
		return err
	}
	var p sinks.Provenance
	if ev.provenance != nil {
		parseProvenance(ev.provenance, ev.flags, "", 0, &p)
	}
	it.At, it.Source, it.Place, it.Policy = time.UnixMilli(ev.at).UTC(), string(ev.source), p.Place, p.Policy
	done := &v.done.get(e.Segment).taken
	for rec := range ev.records {
		topic, body, err := ev.next()
		if err != nil {
			return err
		}
		if err := sinks.ParseBody(body, &v.record); err != nil {
			return fmt.Errorf("reading record: %w", err)
		}
		r := ItemRecord{Topic: string(topic), Value: len(v.record.Value), Waiting: !done.has(e.Index, uint8(rec))}
		if v.record.Value == nil {
			r.Value = -1
		}
		for _, h := range v.record.Headers {
			r.Headers = append(r.Headers, h.Key)
		}
		it.Records = append(it.Records, r)
	}
	return nil
}

// readOnly is a file system that cannot be changed, and a lock that nobody
// holds.
type readOnly struct{ disk.FS }

func (readOnly) Create(string) (disk.File, error) { return nil, fs.ErrPermission }
func (readOnly) Open(string) (disk.File, error)   { return nil, fs.ErrPermission }
func (readOnly) Rename(string, string) error      { return fs.ErrPermission }
func (readOnly) Remove(string) error              { return fs.ErrPermission }
func (readOnly) Mkdir(string) error               { return fs.ErrExist }
func (readOnly) SyncDir(string) error             { return fs.ErrPermission }
func (readOnly) Lock(string) (io.Closer, error)   { return io.NopCloser(nil), nil }
