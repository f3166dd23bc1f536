package collector

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"assent/sinks"
)

// appendBadRow adds the payload-free record of what was refused to the batch: it joins
// the road at seal and commits with the rest. It holds stage, reason, size, source and a hash of the refused
// bytes. The hash is keyed and its key changes each UTC day: equal payloads can
// be told on one day, none can be guessed or followed.
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
