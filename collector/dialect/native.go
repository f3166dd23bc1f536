package dialect

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"unicode/utf8"

	"assent/collector"
	"assent/redact"
)

// Native is Assent's own protocol, POST /v1/events: one event, an array,
// NDJSON, or {"batch":[…]}. The body is read as JSON whatever its media type,
// because sendBeacon sends text/plain; only application/x-ndjson means lines.
type Native struct{}

// Events splits the body. An item that can be delimited but not read is an
// event of its own with a reason; the others are unharmed.
func (Native) Events(r *collector.Request, p *collector.Payload) error {
	if isNDJSON(r.ContentType) {
		return lines(r.Body, p)
	}
	body := bytes.Trim(unmarked(r.Body), " \t\r\n")
	switch {
	case len(body) == 0:
		return nil
	case body[0] == '[':
		return collector.PeekElements(body, p.Add)
	}
	peek, err := collector.PeekObject(body)
	if err != nil {
		// Perhaps one item of a batch is at fault: find the items by their brackets.
		batch := envelope(body, p)
		if batch == nil {
			if tooLarge(err) {
				return p.Add(collector.Event{Raw: body}) // refused by its size, as any event
			}
			return err
		}
		return collector.PeekElements(batch, p.Add)
	}
	p.Key = peek.WriteKey()
	if batch := peek.Batch(); batch != nil {
		p.SentAt, p.Context = peek.SentAt(), peek.Context()
		return collector.PeekElements(batch, p.Add)
	}
	return p.Add(collector.Peeked(peek))
}

// Answer is {"accepted":n,"withheld":m,"refused":[{"index","id","reason"}]}.
func (Native) Answer(_ *collector.Request, a *collector.Answer, results []collector.Result) {
	var accepted, withheld int
	for i := range results {
		switch results[i].Outcome {
		case collector.Withheld:
			withheld++
			accepted++
		case collector.Accepted:
			accepted++
		}
	}
	b := append(a.Body, `{"accepted":`...)
	b = strconv.AppendInt(b, int64(accepted), 10)
	b = append(b, `,"withheld":`...)
	b = strconv.AppendInt(b, int64(withheld), 10)
	b = append(b, `,"refused":[`...)
	first := true
	for i := range results {
		if results[i].Outcome != collector.Refused {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(b, `{"index":`...)
		b = strconv.AppendInt(b, int64(i), 10)
		b = append(b, `,"id":`...)
		if id := results[i].ID; len(id) > 0 && id[0] == '"' && len(b) < maxEcho {
			b = appendID(b, id)
		} else {
			b = append(b, "null"...)
		}
		b = append(b, `,"reason":"`...)
		b = append(b, results[i].Reason...)
		b = append(b, `"}`...)
	}
	a.Body = append(b, ']', '}', '\n')
	a.ContentType = "application/json"
}

// An answer repeats the ids of refused events so far as they tell these events
// apart: the beginning of each, and none once the answer is long. Else a small body
// that was compressed well would have a long answer.
const (
	maxID   = 128
	maxEcho = 64 << 10
)

// appendID appends a raw JSON string, cut to maxID bytes between its quotes where
// no character and no escape ends sooner.
func appendID(dst, id []byte) []byte {
	if len(id) <= maxID+2 {
		return append(dst, id...)
	}
	end := 1
	for {
		_, n := utf8.DecodeRune(id[end:])
		if id[end] == '\\' {
			switch n = 2; {
			case id[end+1] != 'u':
			case id[end+2]|0x20 == 'd' && id[end+3] >= '8': // the first half of a pair (RFC 8259, 7)
				n = 12
			default:
				n = 6
			}
		}
		if end+n > maxID+1 {
			return append(append(dst, id[:end]...), '"')
		}
		end += n
	}
}

// unmarked is a body without the byte order mark that some senders write before
// JSON, which a reader may pass over (RFC 8259, 8.1).
func unmarked(body []byte) []byte { return bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")) }

// lines adds the lines of an NDJSON body; empty ones are passed over.
func lines(body []byte, p *collector.Payload) error {
	for body = unmarked(body); len(body) > 0; {
		var line []byte
		line, body, _ = bytes.Cut(body, []byte{'\n'})
		if line = bytes.Trim(line, " \t\r"); len(line) == 0 {
			continue
		}
		if err := p.Add(collector.Event{Raw: line}); err != nil {
			return err
		}
	}
	return nil
}

func tooLarge(err error) bool {
	var syntax *redact.SyntaxError
	return errors.As(err, &syntax) && syntax.Reason == redact.TooLarge
}

// beside are the members of a batch's envelope that mean something.
var beside = []string{"batch", "writeKey", "sentAt", "context"}

// envelope finds the batch of a body that is not wholly valid, and what stands beside
// it. A body that says any of these twice has none: the events of the other batch would
// be lost unsaid.
func envelope(body []byte, p *collector.Payload) (batch []byte) {
	members := make([][]byte, len(beside))
	err := redact.EachMemberExtent(body, func(name, value []byte) error {
		switch i := slices.Index(beside, string(name)); {
		case i < 0:
		case members[i] != nil:
			return redact.ErrDuplicate
		default:
			members[i] = value
		}
		return nil
	})
	batch, key := members[0], members[1]
	if err != nil || len(batch) == 0 || batch[0] != '[' {
		return nil
	}
	if len(key) > 2 && key[0] == '"' {
		p.Key = key[1 : len(key)-1]
	}
	p.SentAt, p.Context = members[2], members[3]
	return batch
}

func isNDJSON(contentType []byte) bool {
	media, _, _ := bytes.Cut(contentType, []byte{';'})
	media = bytes.TrimSpace(media)
	return bytes.EqualFold(media, []byte("application/x-ndjson")) || bytes.EqualFold(media, []byte("application/ndjson"))
}
