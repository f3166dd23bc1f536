package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"

	"assent/policy"
	"assent/sinks"
	"assent/sinks/dedup"
	"assent/sinks/file"
	"assent/sinks/journal"
	"assent/sinks/kafka"
	"assent/wal"
)

// openSink picks where records go: a journal that forwards to Kafka, which it
// returns too, when brokers are named, else files.
func openSink(cfg *config, pol *policy.Policy, judge sinks.Judge, window *dedup.Window, log *slog.Logger) (sinks.Committer, sinks.Forwarder, error) {
	if len(cfg.Kafka.Brokers) > 0 {
		return openJournal(cfg, pol, judge, window, log)
	}
	if err := leftBehind(cfg.Journal.Dir); err != nil {
		return nil, nil, err
	}
	o := cfg.fileOptions()
	o.Committed = window.Note
	o.Truncated = func(path string, bytes int64) {
		log.Warn("cut off what a crash left unfinished at the end of a file", "file", path, "bytes", bytes)
	}
	s, err := file.Open(o)
	if err != nil {
		return nil, nil, fmt.Errorf("opening file sink: %w", err)
	}
	return s, nil, nil
}

// leftBehind refuses a start without Kafka over a journal in which something
// waits for it: it was promised to get there.
func leftBehind(dir string) error {
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	totals, err := journal.Inspect(dir, func(*journal.Item) error { return nil })
	if err != nil {
		return err
	}
	if totals.Waiting > 0 {
		return fmt.Errorf("%d records in %s wait for Kafka: name kafka.brokers, or move that directory away", totals.Waiting, dir)
	}
	return nil
}

func openJournal(cfg *config, pol *policy.Policy, judge sinks.Judge, window *dedup.Window, log *slog.Logger) (sinks.Committer, sinks.Forwarder, error) {
	k, err := cfg.kafkaOptions()
	if err != nil {
		return nil, nil, fmt.Errorf("opening kafka: %w", err)
	}
	for _, r := range pol.Recipients() {
		k.Topics = append(k.Topics, r.Topic)
	}
	k.Topics = append(k.Topics, cfg.Topics.Bad)
	forwarder, err := kafka.Open(k)
	if err != nil {
		return nil, nil, fmt.Errorf("opening kafka: %w", err)
	}
	o := cfg.journalOptions()
	o.Forwarder, o.Judge = forwarder, judge
	o.Recovered, o.Retire = window.Add, window.Keep
	o.Damaged = func(d wal.Damage) {
		log.Error("skipped a damaged region of the journal; its bytes are in quarantine", "segment", d.Segment, "offset", d.Offset, "bytes", d.Bytes)
	}
	j, err := journal.Open(o)
	if err != nil {
		return nil, nil, errors.Join(err, forwarder.Close())
	}
	return j, forwarder, nil
}
