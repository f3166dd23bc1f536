package sinks

import (
	"bytes"
	"unicode/utf8"
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
		dst = appendString(dst, r.Key)
	}
	dst = append(dst, `,"headers":{`...)
	for i := range r.Headers {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, r.Headers[i].Key)
		dst = append(dst, ':')
		dst = appendString(dst, r.Headers[i].Value)
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

const hexDigits = "0123456789abcdef"

// appendString appends s as a JSON string (RFC 8259 section 7).
func appendString[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); {
		if i+8 <= len(s) && plain(uint64(s[i])|uint64(s[i+1])<<8|uint64(s[i+2])<<16|uint64(s[i+3])<<24|
			uint64(s[i+4])<<32|uint64(s[i+5])<<40|uint64(s[i+6])<<48|uint64(s[i+7])<<56) {
			i += 8
			continue
		}
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' {
				i++
				continue
			}
			dst = append(dst, s[from:i]...)
			if c == '"' || c == '\\' {
				dst = append(dst, '\\', c)
			} else {
				dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			}
			i++
			from = i
			continue
		}
		// At most utf8.UTFMax bytes, so the conversion stays on the stack.
		r, n := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
		if r == utf8.RuneError && n == 1 {
			dst = append(dst, s[from:i]...)
			dst = append(dst, "\uFFFD"...)
			from = i + 1
		}
		i += n
	}
	dst = append(dst, s[from:]...)
	return append(dst, '"')
}

// plain reports whether none of the eight bytes of w needs a look: all are
// ASCII, none is a control character, a quote or a backslash. For bytes below
// 0x80, (b ^ c) - 1 borrows into the high bit exactly when b is c; a false alarm
// caused by a borrow from a lower byte only costs the slow path.
func plain(w uint64) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	quote := (w ^ ones*'"') - ones
	backslash := (w ^ ones*'\\') - ones
	control := w - ones*' '
	return (w|quote|backslash|control)&highs == 0
}
