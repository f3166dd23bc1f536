package file

import (
	"context"
	"slices"
	"testing"

	"assent/disk/disktest"
	"assent/sinks"
)

// TestCommittedIsTold: of the events of a batch that is durable in all its topics,
// and of no other.
func TestCommittedIsTold(t *testing.T) {
	fs := disktest.New()
	var told []sinks.ID
	s, err := Open(Options{Dir: "events", FS: fs, Committed: func(ids []sinks.ID) {
		if len(fs.Files(extension)) != 2 {
			t.Error("told before all of it is there")
		}
		told = append(told, ids...)
	}})
	if err != nil {
		t.Fatal(err)
	}
	events := []sinks.Event{{Records: 1, ID: sinks.ID{1}}, {Records: 1}, {ID: sinks.ID{2}}}
	good := &sinks.Batch{Events: events, Records: []sinks.Record{{Topic: "events", Value: []byte("{}")}, {Topic: "events.ads", Value: []byte("{}")}}}
	bad := &sinks.Batch{Events: events, Records: []sinks.Record{{Topic: "events", Value: []byte("{}")}, {Topic: ".hidden", Value: []byte("{}")}}}
	if err := s.Commit(context.Background(), good); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(context.Background(), bad); err == nil {
		t.Error("a batch with a bad topic is taken")
	}
	if want := []sinks.ID{{1}, {2}}; !slices.Equal(told, want) {
		t.Errorf("told of %x, want %x", told, want)
	}
	if err := s.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}
