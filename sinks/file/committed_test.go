package file

import (
	"context"
	"testing"

	"assent/disk/disktest"
	"assent/sinks"
)

// TestCommittedIsTold: of a batch that is durable in all its topics, and of no other.
func TestCommittedIsTold(t *testing.T) {
	fs := disktest.New()
	var told []*sinks.Batch
	s, err := Open(Options{Dir: "events", FS: fs, Committed: func(b *sinks.Batch) {
		if len(fs.Files(extension)) != len(b.Records) {
			t.Error("told before all of it is there")
		}
		told = append(told, b)
	}})
	if err != nil {
		t.Fatal(err)
	}
	good := &sinks.Batch{Records: []sinks.Record{{Topic: "events", Value: []byte("{}")}, {Topic: "events.ads", Value: []byte("{}")}}}
	bad := &sinks.Batch{Records: []sinks.Record{{Topic: "events", Value: []byte("{}")}, {Topic: ".hidden", Value: []byte("{}")}}}
	if err := s.Commit(context.Background(), good); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(context.Background(), bad); err == nil {
		t.Error("a batch with a bad topic is taken")
	}
	if len(told) != 1 || told[0] != good {
		t.Errorf("told of %d batches", len(told))
	}
	if err := s.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}
