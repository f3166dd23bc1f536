package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"assent/sinks"
	"assent/sinks/kafka"
)

// assent produces through the forwarder as the journal does: a record is encoded
// once, its partition chosen by its key, and each partition has a goroutine with one batch
// on its way. Encoding counts, although the journal does it when it commits.
func assent(j job, records []record) (c cost, err error) {
	f, err := kafka.Open(kafka.Options{Brokers: []string{j.Addr}, Topics: []string{j.Topic}, Compression: j.Codec})
	if err != nil {
		return c, err
	}
	defer f.Close()
	for limit := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if _, err = f.Partition(j.Topic, nil); err == nil {
			break
		}
		if time.Now().After(limit) {
			return c, fmt.Errorf("waiting for the topic: %w", err)
		}
	}
	err = measured(&c, func() error { return forward(f, j, records, &c) })
	c.Sent = int64(metrics.GetOrCreateCounter(`assent_kafka_bytes_total{form="sent"}`).Get())
	return c, err
}

// pack is a batch in the making; its bodies lie in one buffer.
type pack struct {
	bytes    []byte
	outgoing []sinks.Outgoing
}

func forward(f sinks.Forwarder, j job, records []record, c *cost) error {
	var (
		packs      = sync.Pool{New: func() any { return &pack{bytes: make([]byte, 0, j.Batch*2048)} }}
		partitions = map[sinks.Partition]chan *pack{}
		open       = map[sinks.Partition]*pack{}
		wait       sync.WaitGroup
		mu         sync.Mutex
		fault      error
	)
	hand := func(l sinks.Partition) {
		if partitions[l] == nil {
			partitions[l] = make(chan *pack, 1)
			wait.Go(func() {
				for p := range partitions[l] {
					if err := send(f, l, p.outgoing); err != nil {
						mu.Lock()
						fault = errors.Join(fault, err)
						mu.Unlock()
					}
					p.bytes, p.outgoing = p.bytes[:0], p.outgoing[:0]
					packs.Put(p)
				}
			})
		}
		c.Batches++
		partitions[l] <- open[l]
		delete(open, l)
	}
	now := time.Now().UnixMilli()
	for i := range j.Records {
		r := &records[i%len(records)]
		l, err := f.Partition(j.Topic, r.key)
		if err != nil {
			return err
		}
		p := open[l]
		if p == nil {
			p = packs.Get().(*pack)
			open[l] = p
		}
		start := len(p.bytes)
		p.bytes = sinks.AppendBody(p.bytes, &sinks.Record{Key: r.key, Value: r.value, Headers: r.headers})
		p.outgoing = append(p.outgoing, sinks.Outgoing{Body: p.bytes[start:len(p.bytes):len(p.bytes)], Time: now})
		if len(p.outgoing) == j.Batch {
			hand(l)
		}
	}
	for l := range open {
		hand(l)
	}
	for _, partition := range partitions {
		close(partition)
	}
	wait.Wait()
	return fault
}

func send(f sinks.Forwarder, l sinks.Partition, outgoing []sinks.Outgoing) error {
	ctx := context.Background()
	reservation, err := f.Reserve(ctx, l, len(outgoing))
	if err != nil {
		return err
	}
	_, err = f.Send(ctx, l, reservation, func() ([]sinks.Outgoing, error) { return outgoing, nil }, false)
	return err
}
