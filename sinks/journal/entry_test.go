package journal

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"assent/sinks"
)

func TestEventRoundTrip(t *testing.T) {
	f := func(ev sinks.Event, records []sinks.Record, ticket uint64, more bool) {
		t.Helper()
		payload, bodies := appendEvent(nil, &ev, records, 1234, ticket, more)
		var e event
		if err := e.parse(payload); err != nil {
			t.Fatal(err)
		}
		id := ev.ID
		if more {
			id = sinks.ID{}
		}
		if e.at != 1234 || e.ticket != ticket || e.id != id || string(e.source) != ev.Provenance.Source || e.records != len(records) {
			t.Errorf("read %+v", e)
		}
		if ev.Provenance.Subject != nil {
			var p sinks.Provenance
			parseProvenance(e.provenance, e.flags, ev.Provenance.Source, 1234, &p)
			want := ev.Provenance
			want.At = 1234
			if !reflect.DeepEqual(p, want) {
				t.Errorf("judged by %+v, want %+v", p, want)
			}
		}
		var size int64
		for i := range records {
			topic, body, err := e.next()
			if err != nil || string(topic) != records[i].Topic || !bytes.Equal(body, sinks.AppendBody(nil, &records[i])) {
				t.Errorf("record %d: %s %q %v", i, topic, body, err)
			}
			size += int64(len(body))
		}
		if size != bodies || !e.rest.Bad && len(e.rest.Rest) != 0 {
			t.Errorf("%d bytes of bodies, want %d; %d bytes left", size, bodies, len(e.rest.Rest))
		}
		for n := range payload {
			if e.parse(payload[:n]) != nil {
				continue
			}
			for range e.records {
				if _, _, err := e.next(); err != nil {
					break
				}
			}
		}
	}
	records := []sinks.Record{record("events", "ada", 1), {Topic: "ads"}, {Topic: "x", Key: []byte{}, Value: []byte("v")}}
	f(sinks.Event{}, records, 0, false)
	f(sinks.Event{ID: sinks.ID{1}}, nil, 0, false)
	f(sinks.Event{ID: sinks.ID{1}}, records, 1<<60, true)
	f(sinks.Event{ID: sinks.ID{1}, Provenance: sinks.Provenance{Source: "web", Place: "FR"}}, records, 1, false)
	f(sinks.Event{Provenance: sinks.Provenance{
		Subject: []byte("sealed"), Snapshot: 1, Source: "web", Place: "US-CA", Policy: "hash", Purposes: 2, Allowed: 3, Shared: 4,
	}}, records, 0, false)
	f(sinks.Event{Provenance: sinks.Provenance{Subject: []byte{}}}, records, 0, false)
}

func TestControlRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		p := reservation{id: rng.Uint64(), at: rng.Int64(), partition: sinks.Partition{Topic: "events", Number: rng.Int32()}, bytes: []byte("forwarder's")}
		for range rng.IntN(40) {
			r := ref{position{1 + rng.Uint64N(3), rng.Uint32N(50)}, uint8(rng.IntN(maxRecords))}
			p.load.add(r, string(rune('a'+rng.IntN(3))), rng.IntN(1000))
		}
		var q reservation
		if err := q.parse(p.append(nil)); err != nil || !same2(p.load, q.load) || q.id != p.id || q.at != p.at || q.partition != p.partition || string(q.bytes) != string(p.bytes) {
			t.Fatalf("%+v\n%+v\n%v", p, q, err)
		}
		s := settled{cause: causePoison, reservation: p.id, topic: "events", load: p.load}
		var u settled
		if err := u.parse(s.append(nil)); err != nil || u.cause != s.cause || u.reservation != s.reservation || u.topic != s.topic || !same2(u.load, s.load) {
			t.Fatalf("%+v\n%+v\n%v", s, u, err)
		}
		h, g := horizon{below: p.id, open: []uint64{rng.Uint64(), 0}[:rng.IntN(3)]}, horizon{}
		if err := g.parse(h.append(nil)); err != nil || g.below != h.below || !slices.Equal(g.open, h.open) {
			t.Fatalf("%+v\n%+v\n%v", h, g, err)
		}
		if id, err := parseVoid(appendVoid(nil, p.id)); err != nil || id != p.id {
			t.Fatal(id, err)
		}
	}
}

func same2(a, b load) bool {
	return len(a.refs) == len(b.refs) && len(a.shares) == len(b.shares) &&
		(len(a.refs) == 0 || reflect.DeepEqual(a.refs, b.refs) && reflect.DeepEqual(a.shares, b.shares))
}

// TestDenseReservation: naming a record costs a few bytes, or reservations would be what fills
// a journal of small records.
func TestDenseReservation(t *testing.T) {
	var l load
	for i := range uint32(1000) {
		l.add(ref{position{7, i * 3}, 0}, "web", 100)
	}
	if n := len(l.append(nil)); n > 2100 {
		t.Errorf("1000 refs take %d bytes", n)
	}
}

// FuzzEntry reads entries that checksums have passed and nobody wrote.
func FuzzEntry(f *testing.F) {
	ev := sinks.Event{ID: sinks.ID{1}, Provenance: sinks.Provenance{Subject: []byte("s"), Source: "web", Place: "FR", Policy: "h"}}
	event1, _ := appendEvent(nil, &ev, []sinks.Record{record("events", "ada", 1)}, 1, 2, false)
	f.Add(event1)
	p := reservation{id: 1, partition: sinks.Partition{Topic: "events"}, bytes: []byte("x")}
	p.load.add(ref{position{1, 2}, 3}, "web", 4)
	f.Add(p.append(nil))
	f.Add((&settled{topic: "events", load: p.load}).append(nil))
	f.Add(appendVoid(nil, 1))
	f.Add((&horizon{below: 3, open: []uint64{1}}).append(nil))
	f.Fuzz(func(t *testing.T, payload []byte) {
		if len(payload) == 0 {
			return
		}
		var e event
		if e.parse(payload) == nil {
			var p sinks.Provenance
			parseProvenance(e.provenance, e.flags, "", 0, &p)
			for range e.records {
				if _, _, err := e.next(); err != nil {
					break
				}
			}
		}
		var p reservation
		if p.parse(payload) == nil && len(p.load.refs) > len(payload) {
			t.Error("more refs than bytes")
		}
		var s settled
		s.parse(payload)
		var h horizon
		h.parse(payload)
		parseVoid(payload)
	})
}

// TestMarks compares with a map.
func TestMarks(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var m marks
	oracle := map[ref]bool{}
	for range 20000 {
		r := ref{position{idx: rng.Uint32N(500)}, uint8(rng.IntN(3) * 31)}
		switch {
		case m.has(r.idx, r.rec) != oracle[r]:
			t.Fatalf("%v: %v, want %v", r, !oracle[r], oracle[r])
		case rng.IntN(2) == 0:
			if fresh := m.set(r.idx, r.rec); fresh == oracle[r] {
				t.Fatalf("%v: fresh %v", r, fresh)
			}
			oracle[r] = true
		case oracle[r]:
			m.clear(r.idx, r.rec)
			delete(oracle, r)
		}
	}
	refs := m.refs(7)
	for i, r := range refs {
		r.seg = 0
		if !oracle[r] || i > 0 && !refs[i-1].before(refs[i].position) && refs[i-1].position != refs[i].position {
			t.Errorf("%v is listed", r)
		}
	}
	if len(refs) != len(oracle) {
		t.Errorf("%d listed, want %d", len(refs), len(oracle))
	}
	words := 0
	for _, p := range m.planes {
		words += cap(p)
	}
	if words > 3*2*(500/64+1) {
		t.Errorf("%d words for 1500 records", words)
	}
}
