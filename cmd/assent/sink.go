package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"assent/collector"
	"assent/sinks/file"
	"assent/sinks/journal"
	"assent/sinks/kafka"
	"assent/wal"
)

// openSink picks where records go: a journal that forwards to Kafka when brokers
// are named, else files.
func (p *program) openSink() error {
	open := p.openFiles
	if len(p.cfg.Kafka.Brokers) > 0 {
		open = p.openJournal
	}
	if err := open(); err != nil {
		return err
	}
	p.atEnd("closing sink", func(ctx context.Context) error { return p.sink.Close(ctx) })
	return nil
}

func (p *program) openFiles() error {
	if err := leftBehind(p.cfg.Journal.Dir); err != nil {
		return err
	}
	o := p.cfg.fileOptions()
	o.Committed = p.window.Note
	o.Truncated = func(path string, bytes int64) {
		p.log.Warn("cut off what a crash left unfinished at the end of a file", "file", path, "bytes", bytes)
	}
	s, err := file.Open(o)
	if err != nil {
		return fmt.Errorf("opening file sink: %w", err)
	}
	p.sink = s
	return nil
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

func (p *program) openJournal() error {
	judge, err := collector.NewJudge(p.registry, p.policies.get)
	if err != nil {
		return err
	}
	k, err := p.cfg.kafkaOptions()
	if err != nil {
		return fmt.Errorf("opening kafka: %w", err)
	}
	for _, r := range p.pol.Recipients() {
		k.Topics = append(k.Topics, r.Topic)
	}
	k.Topics = append(k.Topics, p.cfg.Topics.Bad)
	forwarder, err := kafka.Open(k)
	if err != nil {
		return fmt.Errorf("opening kafka: %w", err)
	}
	o := p.cfg.journalOptions()
	o.Forwarder, o.Judge = forwarder, judge
	o.Recovered, o.Retire = p.window.Add, p.window.Keep
	o.Damaged = func(d wal.Damage) {
		p.log.Error("skipped a damaged region of the journal; its bytes are in quarantine", "segment", d.Segment, "offset", d.Offset, "bytes", d.Bytes)
	}
	j, err := journal.Open(o)
	if err != nil {
		return errors.Join(err, forwarder.Close())
	}
	p.sink, p.downstream = j, forwarder
	return nil
}
