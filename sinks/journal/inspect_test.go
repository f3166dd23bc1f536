package journal

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"assent/sinks"
	"assent/wal"
)

var update = flag.Bool("update", false, "rewrite golden files")

// TestInspect finds nothing of a person in what is shown of one.
func TestInspect(t *testing.T) {
	fs := memory()
	fs.SetCapacity(100 << 10) // no room for a spare segment, so that all is in the first
	log, err := wal.Open(wal.Options{Dir: "journal", FS: fs, SegmentBytes: 64 << 10, ReserveBytes: 60 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close(context.Background())
	const at = 1_800_000_000_000
	ev := sinks.Event{ID: eventID("canary", 1), Provenance: sinks.Provenance{
		Subject: []byte("canary"), Snapshot: 1, Source: "web", Place: "FR", Policy: "4f1c", Purposes: 2, Allowed: 3, Shared: 4,
	}}
	records := []sinks.Record{record("events", "canary", 1), {Topic: "ads", Key: []byte("canary")}, record("events.bad", "", 3)}
	records[0].Headers = append(records[0].Headers, sinks.Header{Key: "privacy-regime", Value: []byte("canary")})
	first, _ := appendEvent(nil, &ev, records[:2], at, 7, false)
	second, _ := appendEvent(nil, &sinks.Event{}, records[2:], at+1, 0, false)
	p := reservation{id: 0x100000001, at: at + 2, partition: sinks.Partition{Topic: "events", Number: 4}, bytes: []byte("canary")}
	p.load.add(ref{position{1, 0}, 0}, "web", 100)
	stored := settled{cause: causeAcked, reservation: p.id, topic: "events", load: p.load}
	var other load
	other.add(ref{position{1, 1}, 0}, "", 50)
	refused := settled{cause: causePoison, topic: "events.bad", load: other}
	if err := log.Append(first, second, p.append(nil), stored.append(nil), appendVoid(nil, 0x100000002), refused.append(nil), []byte("?")); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	totals, err := inspect(fs, "journal", func(it *Item) error {
		fmt.Fprintf(&out, "%d/%d %s", it.Segment, it.Index, it.Kind)
		if !it.At.IsZero() {
			fmt.Fprintf(&out, " %s", it.At.Format("2006-01-02T15:04:05.000Z"))
		}
		if it.Kind == "event" {
			fmt.Fprintf(&out, " source=%s place=%s policy=%s bytes=%d\n", it.Source, it.Place, it.Policy, it.Bytes)
			for _, rec := range it.Records {
				fmt.Fprintf(&out, "    %s value=%d headers=%v waiting=%v\n", rec.Topic, rec.Value, rec.Headers, rec.Waiting)
			}
			return nil
		}
		fmt.Fprintf(&out, " reservation=%x partition=%s/%d records=%d cause=%s\n", it.Reservation, it.Partition.Topic, it.Partition.Number, it.Number, it.Cause)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&out, "%+v\n", totals)
	if strings.Contains(out.String(), "canary") {
		t.Error("it shows what it must not")
	}
	const golden = "testdata/inspect.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if out.String() != string(want) {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	if err := log.Append(second); err != nil {
		t.Errorf("looking at it is in the way of its owner: %v", err)
	}
	if _, err := inspect(fs, "nowhere", func(*Item) error { return nil }); err == nil {
		t.Error("there is a journal in a directory that is not there")
	}
}
