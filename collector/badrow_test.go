package collector_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"assent/collector"
	"assent/sinks"
)

// TestFloodOfBadRows: beyond the rate bad rows are added up by source, stage and
// reason; every event is answered and counted, and nothing is lost or said twice.
func TestFloodOfBadRows(t *testing.T) {
	at := newClock()
	sink := &fakeSink{}
	s := serve(t, sink, func(o *collector.Options) {
		o.Now = at.Now
		o.Sources = []*collector.Source{{ID: "a", Key: "a"}, {ID: "b", Key: "b"}}
		o.Limits.BadRows, o.Limits.BadRowBurst = 2, 5
	})
	rows := func() (single, count, size int) {
		t.Helper()
		for _, v := range sink.take() {
			var row struct {
				Stage, Reason, Hash, Source string
				Count, Size                 int
			}
			if err := json.Unmarshal([]byte(v), &row); err != nil {
				t.Fatal(err)
			}
			if row.Source != "a" && row.Source != "b" || row.Stage == "" || row.Reason == "" || (row.Hash == "") != (row.Count > 0) {
				t.Errorf("row %s", v)
			}
			if row.Count > 0 {
				count += row.Count
				size += row.Size
			} else {
				single++
			}
		}
		return single, count, size
	}
	f := func(single, count, size int) {
		t.Helper()
		if s, c, z := rows(); s != single || c != count || z != size {
			t.Errorf("got %d rows and %d of %d bytes added up, want %d and %d of %d", s, c, z, single, count, size)
		}
	}
	const bad = `{"type":7}` // 10 bytes
	send := func(key string, n int) {
		t.Helper()
		r, body := s.send(post("/v1/events?k="+key, `[`+strings.TrimSuffix(strings.Repeat(bad+",", n), ",")+`]`))
		if r.StatusCode != 200 || strings.Count(body, `"type_invalid"`) != n {
			t.Errorf("got %d %s", r.StatusCode, body)
		}
	}
	send("a", 100)
	f(5, 0, 0)
	s.c.FlushBadRows()
	f(0, 95, 950)
	s.c.FlushBadRows()
	f(0, 0, 0)
	send("b", 3)
	f(3, 0, 0)
	// Another reason has a bucket of its own, whole requests too.
	s.send(post("/v1/events?k=a", `{}`))
	s.send(post("/v1/events?k=a", `{"`))
	f(2, 0, 0)
	at.pass(time.Second)
	send("a", 3)
	f(2, 0, 0)
	sink.set(func(s *fakeSink) { s.fail = errFull })
	s.c.FlushBadRows()
	sink.set(func(s *fakeSink) { s.fail = nil })
	f(0, 0, 0)
	s.c.FlushBadRows()
	f(0, 1, 10)

	var m strings.Builder
	s.c.WriteMetrics(&m)
	for _, want := range []string{`assent_collector_refused_total{reason="type_invalid"} 106`, "assent_collector_bad_rows_capped_total 96"} {
		if !strings.Contains(m.String(), want+"\n") {
			t.Errorf("the metrics lack %s", want)
		}
	}
}

// TestBadRowsPromiseNothing: no bad row waits for delivery, alone, of a whole body
// or added up, and all sums are one commit.
func TestBadRowsPromiseNothing(t *testing.T) {
	sink := &fakeSink{}
	s := serve(t, sink, func(o *collector.Options) {
		o.Sources = []*collector.Source{{ID: "a", Key: "a", Promise: sinks.Delivered}}
		o.Limits.BadRows, o.Limits.BadRowBurst = 1, 1
	})
	f := func(what string, promise sinks.Promise, commits, rows int) {
		t.Helper()
		sink.set(func(s *fakeSink) {
			if s.promise != promise || s.commits != commits || len(s.values) != rows {
				t.Errorf("%s: promise %d, %d commits, %d rows; want %d, %d, %d", what, s.promise, s.commits, len(s.values), promise, commits, rows)
			}
			s.promise, s.commits, s.values = sinks.Delivered, 0, nil
		})
	}
	send := func(body string) { s.send(post("/v1/events?k=a", body)) }
	send(`{"type":7}`)
	f("an event", sinks.Durable, 1, 1)
	send(`{"`)
	f("a body", sinks.Durable, 1, 1)
	send(`[{"type":7},` + order("m") + `]`)
	f("one beside an event that is stored", sinks.Delivered, 1, 1)
	send(`{"`)
	f("one more body", sinks.Delivered, 0, 0)
	s.c.FlushBadRows()
	f("the sums", sinks.Durable, 1, 2)
	s.c.FlushBadRows()
	f("no sums", sinks.Delivered, 0, 0)
}

// TestShutdownWithBadRows: a sink that does not answer holds nobody up for longer
// than the shutdown may take.
func TestShutdownWithBadRows(t *testing.T) {
	sink := &fakeSink{}
	s := serve(t, sink, func(o *collector.Options) { o.Limits.BadRows, o.Limits.BadRowBurst = 1, 1 })
	s.send(post("/v1/events", `[{"type":7},{"type":7}]`))
	sink.set(func(s *fakeSink) { s.hold = make(chan struct{}) })
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_ = s.c.Shutdown(ctx) // returns
	sink.set(func(s *fakeSink) { s.hold = nil })
}
