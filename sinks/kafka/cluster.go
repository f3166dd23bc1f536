package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"assent/sinks"
)

// probeEvery is how often the cluster is asked whether it is there: often
// enough that a readiness probe sees a change soon.
const probeEvery = time.Second

// watch keeps Ready true to the cluster until ctx ends.
func (s *Sink) watch(ctx context.Context) {
	defer close(s.watched)
	ticker := time.NewTicker(probeEvery)
	defer ticker.Stop()
	present := false // all of Options.Topics
	for {
		err := s.probe(ctx)
		if err == nil && !present {
			err = s.lookForTopics(ctx, s.opt.Topics)
			present = err == nil
		}
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			s.notReady.Store(nil)
		default:
			s.notReady.Store(&sinks.Error{Reason: reason(err), Err: err})
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// probe makes one round trip to a broker. It asks for versions, because the
// driver answers questions about metadata from its cache.
func (s *Sink) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.opt.Timeout/attempts)
	defer cancel()
	res, err := s.client.ApiVersions(ctx, &kafkago.ApiVersionsRequest{})
	if err != nil {
		return fmt.Errorf("asking a broker: %w", err)
	}
	return res.Error
}

// createMissing creates those topics of messages that do not exist.
func (s *Sink) createMissing(messages []kafkago.Message) error {
	ctx, cancel := context.WithTimeout(context.Background(), s.opt.Timeout)
	defer cancel()
	var names []string
	seen := make(map[string]bool)
	for i := range messages {
		if name := messages[i].Topic; !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return s.lookForTopics(ctx, names)
}

// lookForTopics returns nil when every topic exists, having created those that
// did not if that is allowed. The broker decides about their configuration but
// for the two numbers in Options.
func (s *Sink) lookForTopics(ctx context.Context, names []string) error {
	if len(names) == 0 {
		return nil
	}
	s.creating.Lock()
	defer s.creating.Unlock()
	known, err := s.client.Metadata(ctx, &kafkago.MetadataRequest{Topics: names})
	if err != nil {
		return fmt.Errorf("asking for topics: %w", err)
	}
	var missing []kafkago.TopicConfig
	for _, t := range known.Topics {
		switch {
		case t.Error == nil:
		case errors.Is(t.Error, kafkago.UnknownTopicOrPartition) && s.opt.CreateTopics:
			missing = append(missing, kafkago.TopicConfig{
				Topic: t.Name, NumPartitions: orDefault(s.opt.Partitions), ReplicationFactor: orDefault(s.opt.Replication),
			})
		default:
			return fmt.Errorf("looking for topic %q: %w", t.Name, t.Error)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	res, err := s.client.CreateTopics(ctx, &kafkago.CreateTopicsRequest{Topics: missing})
	if err != nil {
		return fmt.Errorf("creating topics: %w", err)
	}
	for name, err := range res.Errors {
		if err != nil && !errors.Is(err, kafkago.TopicAlreadyExists) {
			return fmt.Errorf("creating topic %q: %w", name, err)
		}
	}
	return nil
}

// orDefault returns the number by which the protocol asks for the broker's
// default (KIP-464) when n is 0.
func orDefault(n int) int {
	if n == 0 {
		return -1
	}
	return n
}
