package collector

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"assent/sinks"
)

// appendBadRow adds the payload-free record of what was refused to the batch: the record
// joins the road at seal and commits with the rest. It holds stage, reason, size, source
// and a hash of the refused bytes. The hash is keyed, and its key changes each UTC day:
// equal payloads are recognised within a day, and none can be guessed or followed.
func (c *Collector) appendBadRow(x *exchange, stage sinks.Stage, reason Reason, raw []byte) {
	c.m.refused(reason)
	if !c.bad.take(badKind{x.source, stage, reason}, c.badRate, len(raw), c.instant(x.req.Received)) {
		c.m.capped.Inc()
		return
	}
	var hash [32]byte
	c.sealBadRow(x, &sinks.BadRow{
		Stage: stage, Reason: string(reason), Size: len(raw), Hash: c.appendHash(hash[:0], raw, x.req.Received),
	})
}

// sealBadRow makes the record of a bad row of the request's source.
func (c *Collector) sealBadRow(x *exchange, b *sinks.BadRow) {
	x.room(1, 0)
	b.Source, b.Received = x.source.ID, x.stamp
	start := len(x.arena)
	x.arena = sinks.AppendBadRow(x.arena, b)
	value := x.since(start)

	first := len(x.headers)
	id := x.keep(x.recordIDs.next(x.req.Received))
	x.headers = sinks.AppendBadRowHeaders(x.headers, id, x.source.urn, x.stamp)
	last := len(x.headers)
	x.batch.Records = append(x.batch.Records, sinks.Record{
		Topic: c.o.BadTopic, Value: value, Headers: x.headers[first:last:last],
	})
}

func (c *Collector) appendHash(dst, raw []byte, now time.Time) []byte {
	day := hmac.New(sha256.New, c.o.BadKeys[0].Secret[:])
	day.Write(now.UTC().AppendFormat(nil, time.DateOnly))
	row := hmac.New(sha256.New, day.Sum(nil))
	row.Write(raw)
	return hex.AppendEncode(dst, row.Sum(nil)[:16])
}

// flushBadRows writes every sum as one row, all of them together. Those the sink
// does not take stay.
func (c *Collector) flushBadRows(ctx context.Context) {
	x := c.pool.Get().(*exchange)
	x.reset(c.policy.Load(), c.o.Now())
	defer c.giveBack(x)
	type drained struct {
		sum         *badSum
		count, size int
	}
	var all []drained
	c.bad.kinds.Range(func(k, v any) bool {
		kind, sum := k.(badKind), v.(*badSum)
		if count, size := sum.drain(); count > 0 {
			all = append(all, drained{sum, count, size})
			first := len(x.batch.Records)
			x.source = kind.source
			c.sealBadRow(x, &sinks.BadRow{Stage: kind.stage, Reason: string(kind.reason), Count: count, Size: size})
			c.addEvent(x, 0, first, false)
		}
		return true
	})
	if c.commitBatch(ctx, x, sinks.Durable) != nil {
		for _, d := range all {
			d.sum.add(d.count, d.size)
		}
	}
}

// flush writes the sums from time to time until the collector is shut down.
func (c *Collector) flush() {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			c.flushBadRows(context.Background())
		case <-c.stopped:
			return
		}
	}
}

// flushEvery is how long bad rows that were added up wait to be written.
const flushEvery = 10 * time.Second
