package sinks

import (
	"bytes"

	"assent/redact"
)

// AppendLine appends r to dst as one line of NDJSON and returns the extended
// buffer; it allocates only when dst must grow:
//
//	{"key":"v1","headers":{"ce_id":"…"},"value":{…}}\n
//
// A nil Key or Value is null. The topic is not part of the line: it is the
// folder the line is in. Bytes of a key or header that are not UTF-8 become
// U+FFFD. A line feed inside Value, where JSON allows one only between tokens,
// becomes a space, so that one record is always exactly one line.
func AppendLine(dst []byte, r *Record) []byte {
	dst = append(dst, `{"key":`...)
	if r.Key == nil {
		dst = append(dst, "null"...)
	} else {
		dst = redact.AppendQuoted(dst, r.Key)
	}
	dst = append(dst, `,"headers":{`...)
	for i := range r.Headers {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = redact.AppendQuoted(dst, r.Headers[i].Key)
		dst = append(dst, ':')
		dst = redact.AppendQuoted(dst, r.Headers[i].Value)
	}
	dst = append(dst, `},"value":`...)
	if r.Value == nil {
		dst = append(dst, "null"...)
	} else {
		from := len(dst)
		dst = append(dst, r.Value...)
		for i := bytes.IndexByte(dst[from:], '\n'); i >= 0; i = bytes.IndexByte(dst[from:], '\n') {
			from += i
			dst[from] = ' '
		}
	}
	return append(dst, '}', '\n')
}
