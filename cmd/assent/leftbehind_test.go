package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"assent/sinks"
	"assent/sinks/journal"
)

// away is a log downstream that cannot be reached.
type away struct{ sinks.Forwarder }

func (away) Partition(string, []byte) (sinks.Partition, error) {
	return sinks.Partition{}, &sinks.Error{Reason: sinks.ReasonUnavailable}
}
func (away) Ready() error { return &sinks.Error{Reason: sinks.ReasonUnavailable} }
func (away) Close() error { return nil }

// TestCheckSeesWhatWaits: without Kafka a journal in which something waits for it is
// refused by check as by a start.
func TestCheckSeesWhatWaits(t *testing.T) {
	data := t.TempDir()
	j, err := journal.Open(journal.Options{Dir: filepath.Join(data, "journal"), Forwarder: away{}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	err = j.Commit(t.Context(), &sinks.Batch{
		Events: []sinks.Event{{Records: 1}}, Records: []sinks.Record{{Topic: "events", Value: []byte("{}")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := j.Close(ctx); err != nil {
		t.Fatal(err)
	}
	path := write(t, filepath.Join(t.TempDir(), "assent.yaml"), "data: "+data+"\n", 0o600)
	if errs := checked(path); len(errs) != 1 || !strings.Contains(errs[0].Error(), "1 records in ") || !strings.Contains(errs[0].Error(), "wait for Kafka") {
		t.Errorf("check says %v", errs)
	}
	write(t, path, "data: "+data+"\nkafka: {brokers: ['127.0.0.1:1']}\n", 0o600)
	if errs := checked(path); len(errs) > 0 {
		t.Errorf("with Kafka check says %v", errs)
	}
}
