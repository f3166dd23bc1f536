package collector

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"

	"assent/redact"
	"assent/sinks"
)

// appendBadRow adds the payload-free record of what was refused to the batch: it joins
// the road at seal and commits with the rest. It holds stage, reason, size, source and a hash of the refused
// bytes. The hash is keyed and its key changes each UTC day: equal payloads can
// be told on one day, none can be guessed or followed.
func (c *Collector) appendBadRow(x *exchange, stage Stage, reason Reason, raw []byte) {
	c.m.refused(reason)
	if !c.bad.take(badKind{x.source, stage, reason}, c.badRate, len(raw), c.instant(x.req.Received)) {
		c.m.capped.Inc()
		return
	}
	var hash [32]byte
	c.sealBadRow(x, stage, reason, len(raw), c.appendHash(hash[:0], raw, x.req.Received), 1)
}

// sealBadRow makes the record of a bad row or, without a hash, of as many as count
// that were added up: size is then that of all of them.
func (c *Collector) sealBadRow(x *exchange, stage Stage, reason Reason, size int, hash []byte, count int) {
	x.room(1, 0)
	mark := len(x.arena)
	b := append(x.arena, `{"stage":"`...)
	b = append(b, stage...)
	b = append(b, `","reason":"`...)
	b = append(b, reason...)
	if hash == nil {
		b = append(b, `","count":`...)
		b = strconv.AppendInt(b, int64(count), 10)
		b = append(b, `,"size":`...)
		b = strconv.AppendInt(b, int64(size), 10)
	} else {
		b = append(b, `","size":`...)
		b = strconv.AppendInt(b, int64(size), 10)
		b = append(b, `,"hash":"`...)
		b = append(b, hash...)
		b = append(b, '"')
	}
	b = append(b, `,"source":`...)
	b = redact.AppendQuoted(b, x.source.ID)
	b = append(b, `,"receivedAt":"`...)
	b = append(b, x.stamp...)
	x.arena = append(b, `"}`...)
	value := x.since(mark)

	first := len(x.headers)
	id := x.keep(x.recordIDs.next(x.req.Received))
	x.headers = append(x.headers,
		sinks.Header{Key: "ce_specversion", Value: valueSpecVersion},
		sinks.Header{Key: "ce_id", Value: id},
		sinks.Header{Key: "ce_source", Value: x.source.urn},
		sinks.Header{Key: "ce_type", Value: ceBadRow},
		sinks.Header{Key: "ce_time", Value: x.stamp},
		sinks.Header{Key: "content-type", Value: valueJSON})
	last := len(x.headers)
	x.batch.Records = append(x.batch.Records, sinks.Record{
		Topic: c.o.BadTopic, Value: value, Headers: x.headers[first:last:last],
	})
}

var ceBadRow = []byte("assent.bad_row")

func (c *Collector) appendHash(dst, raw []byte, now time.Time) []byte {
	day := hmac.New(sha256.New, c.o.BadKeys[0].Secret[:])
	day.Write(now.UTC().AppendFormat(nil, time.DateOnly))
	row := hmac.New(sha256.New, day.Sum(nil))
	row.Write(raw)
	return hex.AppendEncode(dst, row.Sum(nil)[:16])
}
