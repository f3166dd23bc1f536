package kafka

import (
	"context"
	"time"

	"github.com/segmentio/kafka-go/protocol/metadata"
)

// A topic never loses partitions, but it may be deleted and made again with fewer. A
// broker that has not heard of added partitions yet answers with fewer as well, for a
// while. Only time and the answers of all other brokers tell these cases apart.
const (
	goneAfter   = 30 * time.Second // no broker lags behind for so long
	gracePeriod = 10 * time.Second // several times what the journal waits between attempts
)

// confirmShrunk finds out whether the partitions that a topic lacks are gone. Once
// they are, and the grace period has let the journal hear so of each, records get
// partitions again.
func (f *Forwarder) confirmShrunk(ctx context.Context, c *cluster, t *topic) {
	if t.err != nil || !t.shrunk() {
		return
	}
	now := f.opt.Now()
	switch {
	case !t.gone.IsZero():
		if now.Sub(t.gone) > gracePeriod {
			t.most.Store(int64(len(t.leaders)))
		}
	case now.Sub(t.since) <= goneAfter:
	case f.unanimous(ctx, c, t):
		t.gone = now
	default:
		t.since = now
	}
}

// unanimous reports whether every broker of the cluster says the same of a topic.
func (f *Forwarder) unanimous(ctx context.Context, c *cluster, t *topic) bool {
	for _, addr := range c.brokers {
		one, cancel := context.WithTimeout(ctx, f.opt.Timeout/attempts)
		answer, err := f.conns.ask(one, addr, &metadata.Request{TopicNames: []string{t.name}})
		cancel()
		if err != nil {
			return false
		}
		topics := answer.(*metadata.Response).Topics
		if len(topics) != 1 {
			return false
		}
		if other := topicOf(&topics[0]); !other.whole() || len(other.leaders) != len(t.leaders) {
			return false
		}
	}
	return true
}
