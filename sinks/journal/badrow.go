package journal

import (
	"crypto/rand"
	"strconv"
	"time"

	"assent/redact"
	"assent/sinks"
	"assent/uuid7"
)

// poison ends the journey of the record at the head in flight, which the log
// downstream refuses for good: a payload-free bad row takes its place. Both are
// written as one, so that there is one row for each such record, and durable
// before the record's segment can be released.
func (w *worker) poison(r sinks.Reason) sinks.Reason {
	j, it := w.queue.j, &w.inFlight[0]
	w.batch = append(w.batch[:0], w.deferred...)
	var row []byte
	var bodies int64
	if !w.queue.topic.bad && j.bad.Load() < j.room/badShare {
		record := badRow(j.opt.BadTopic, it, r, j.opt.Now())
		row, bodies = appendEvent(nil, &sinks.Event{Judged: sinks.Judged{Source: it.src.name}}, []sinks.Record{record}, it.at, 0, false)
		w.batch = append(w.batch, row)
	}
	w.entry = w.settled(w.entry[:0], causePoison, 0, w.inFlight[:1])
	w.batch = append(w.batch, w.entry)
	if err := j.log.Append(w.batch...); err != nil {
		return reason(err)
	}
	w.deferred = nil
	j.used.Add(int64(len(w.entry) + len(row)))
	if row != nil {
		it.src.bytes.Add(bodies)
		j.bad.Add(bodies)
		j.records.Add(1)
	} else {
		j.m.dropped.Inc()
	}
	j.m.poison.Inc()
	w.suspects, w.maxBytes, w.voids = 0, 0, 0
	w.ramp = 1 // in a flood of such records each one costs one reservation
	w.done(1)
	return progress
}

// badRow says what became of a record, and nothing of what it held.
func badRow(topic string, it *item, r sinks.Reason, now time.Time) sinks.Record {
	value := append([]byte(nil), `{"stage":"forward","reason":"`...)
	value = append(value, r.String()...)
	value = append(value, `","size":`...)
	value = strconv.AppendInt(value, int64(len(it.body)), 10)
	value = append(value, `,"source":`...)
	value = redact.AppendQuoted(value, []byte(it.src.name))
	value = append(value, `,"receivedAt":"`...)
	value = time.UnixMilli(it.at).UTC().AppendFormat(value, timeFormat)
	value = append(value, `"}`...)
	id, err := uuid7.New(rand.Reader, now)
	if err != nil {
		panic("BUG: crypto/rand returned an error: " + err.Error())
	}
	return sinks.Record{Topic: topic, Value: value, Headers: []sinks.Header{
		{Key: "ce_specversion", Value: []byte("1.0")},
		{Key: "ce_id", Value: []byte(id)},
		{Key: "ce_source", Value: []byte("urn:assent:source:" + it.src.name)},
		{Key: "ce_type", Value: []byte("assent.bad_row")},
		{Key: "ce_time", Value: now.UTC().AppendFormat(nil, timeFormat)},
		{Key: "content-type", Value: []byte("application/json")},
	}}
}

const timeFormat = "2006-01-02T15:04:05.000Z"
