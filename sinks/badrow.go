package sinks

import (
	"strconv"
	"time"

	"assent/redact"
)

// Stage names the step of an event's road at which something was refused.
type Stage string

// The stages, in the order of the road.
const (
	StageReceive Stage = "receive"
	StageDecide  Stage = "decide"
	StageRedact  Stage = "redact"
	StageForward Stage = "forward" // the log downstream refused it for good
)

// A BadRow says what was refused, where and why, and nothing of what it held: the
// value of a record of the bad topic (docs/api.md, records).
type BadRow struct {
	Stage    Stage
	Reason   string // from a closed set
	Count    int    // of refusals that were added up; 0: the row is of one
	Size     int    // bytes of what was refused
	Hash     []byte // of what was refused, in hex; nil: none
	Source   string // id
	Received []byte // when, as AppendTime writes it
}

// AppendBadRow appends the row as JSON and returns the longer buffer.
func AppendBadRow(dst []byte, b *BadRow) []byte {
	dst = append(append(dst, `{"stage":"`...), b.Stage...)
	dst = append(append(dst, `","reason":"`...), b.Reason...)
	dst = append(dst, '"')
	if b.Count > 0 {
		dst = strconv.AppendInt(append(dst, `,"count":`...), int64(b.Count), 10)
	}
	dst = strconv.AppendInt(append(dst, `,"size":`...), int64(b.Size), 10)
	if b.Hash != nil {
		dst = append(append(append(dst, `,"hash":"`...), b.Hash...), '"')
	}
	dst = redact.AppendQuoted(append(dst, `,"source":`...), b.Source)
	dst = append(append(dst, `,"receivedAt":"`...), b.Received...)
	return append(dst, `"}`...)
}

var (
	specVersion = []byte("1.0")
	typeBadRow  = []byte("assent.bad_row")
	mediaJSON   = []byte("application/json")
)

// AppendBadRowHeaders appends the headers of a bad row's record (CloudEvents 1.0,
// Kafka binding 3.2): its id, the URN of the source, and the instant at which it was
// made, as AppendTime writes it.
func AppendBadRowHeaders(dst []Header, id, source, made []byte) []Header {
	return append(dst,
		Header{"ce_specversion", specVersion}, Header{"ce_id", id}, Header{"ce_source", source},
		Header{"ce_type", typeBadRow}, Header{"ce_time", made}, Header{"content-type", mediaJSON})
}

// AppendTime appends an instant as RFC 3339 in UTC with milliseconds, as
// 2006-01-02T15:04:05.000Z. time.AppendFormat reads its layout each time, which
// shows at three times an event. Years 0 to 9999.
func AppendTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	ms := t.Nanosecond() / int(time.Millisecond)
	return append(dst,
		digit(year/1000), digit(year/100), digit(year/10), digit(year), '-',
		digit(int(month)/10), digit(int(month)), '-', digit(day/10), digit(day), 'T',
		digit(hour/10), digit(hour), ':', digit(minute/10), digit(minute), ':', digit(second/10), digit(second), '.',
		digit(ms/100), digit(ms/10), digit(ms), 'Z')
}

func digit(n int) byte { return '0' + byte(n%10) }
