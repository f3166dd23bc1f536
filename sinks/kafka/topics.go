package kafka

import (
	"context"
	"errors"
	"fmt"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/createtopics"

	"assent/sinks"
)

var errCreated = errors.New("the topic has just been created")

// create creates topics that do not exist and notes on each why it cannot be had
// yet, or at all. The broker decides about their configuration but for the two
// numbers in Options.
func (f *Forwarder) create(ctx context.Context, c *cluster, names []string) {
	req := &createtopics.Request{TimeoutMs: int32(f.opt.Timeout.Milliseconds())}
	for _, name := range names {
		req.Topics = append(req.Topics, createtopics.RequestTopic{
			Name: name, NumPartitions: int32(orDefault(f.opt.Partitions)), ReplicationFactor: int16(orDefault(f.opt.Replication)),
		})
	}
	note := func(name string, reason sinks.Reason, err error) {
		c.topics[name].err = &sinks.Error{Reason: reason, Err: err}
	}
	answer, err := f.conns.ask(ctx, c.controller, req)
	if err != nil {
		for _, name := range names {
			note(name, reasonOf(err), fmt.Errorf("creating topics: %w", err))
		}
		return
	}
	for _, t := range answer.(*createtopics.Response).Topics {
		if c.topics[t.Name] == nil {
			continue
		}
		switch code := kafkago.Error(t.ErrorCode); code {
		case 0, kafkago.TopicAlreadyExists:
			note(t.Name, sinks.ReasonUnavailable, errCreated)
			f.refreshSoon()
		default:
			note(t.Name, topicReason(code), fmt.Errorf("creating topic %q: %w", t.Name, code))
		}
	}
}

// orDefault returns the number by which the protocol asks for the broker's
// default (KIP-464) when n is 0.
func orDefault(n int) int {
	if n == 0 {
		return -1
	}
	return n
}
