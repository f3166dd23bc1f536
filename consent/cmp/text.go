package cmp

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// An Error says what is wrong, and at which byte of the value once percent-encoding and
// base64 are taken off. It never holds a part of the value.
type Error struct {
	What string
	At   int
}

func (e *Error) Error() string { return e.What + ", at byte " + strconv.Itoa(e.At) }

// unescape takes percent-encoding off, in place and once. plus: a plus is a space, as in
// form data; decodeURIComponent of browsers leaves it.
func unescape(text []byte, plus bool) ([]byte, error) {
	n := 0
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '+' && plus {
			c = ' '
		}
		if c == '%' {
			if i+2 >= len(text) || hex(text[i+1]) > 15 || hex(text[i+2]) > 15 {
				return nil, &Error{"no percent-encoding", i}
			}
			c = hex(text[i+1])<<4 | hex(text[i+2])
			i += 2
		}
		text[n] = c
		n++
	}
	return text[:n], nil
}

// hex is a digit's value, more than 15 if it is none.
func hex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 0xff
}

// unbase64 decodes in place either alphabet, with its padding or without.
func unbase64(text []byte) ([]byte, error) {
	end := len(text)
	for end > 0 && text[end-1] == '=' && len(text)-end < 2 {
		end--
	}
	if end%4 == 1 || end < len(text) && len(text)%4 != 0 {
		return nil, &Error{"no base64: its length is wrong", len(text)}
	}
	n, bits, have := 0, uint32(0), 0
	for i, c := range text[:end] {
		v := sextet(c)
		if v > 63 {
			return nil, &Error{"no character of base64", i}
		}
		bits, have = bits<<6|uint32(v), have+6
		if have >= 8 {
			have -= 8
			text[n] = byte(bits >> have)
			n++
		}
	}
	return text[:n], nil
}

// sextet is a character's value, more than 63 if it has none.
func sextet(c byte) byte {
	switch {
	case 'A' <= c && c <= 'Z':
		return c - 'A'
	case 'a' <= c && c <= 'z':
		return c - 'a' + 26
	case '0' <= c && c <= '9':
		return c - '0' + 52
	case c == '+' || c == '-':
		return 62
	case c == '/' || c == '_':
		return 63
	}
	return 0xff
}

// plain refuses what no consent manager writes, and no reader agrees on: control
// characters but those of JSON's white space, and what is not UTF-8.
func plain(text []byte) error {
	for i, c := range text {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' {
			return &Error{"a control character", i}
		}
	}
	if !utf8.Valid(text) {
		for i := 0; ; {
			c, n := utf8.DecodeRune(text[i:])
			if c == utf8.RuneError && n == 1 {
				return &Error{"no UTF-8", i}
			}
			i += n
		}
	}
	return nil
}

// instant reads a time: RFC 3339, or seconds or milliseconds since 1970 as digits (what
// JavaScript's Date writes). Whoever writes seconds reaches 12 digits in the year 5138.
func instant(text []byte) (t time.Time, ok bool) {
	n := int64(0)
	for _, c := range text {
		if c < '0' || c > '9' || len(text) > 15 {
			err := t.UnmarshalText(text)
			return t.UTC(), err == nil && !t.IsZero()
		}
		n = n*10 + int64(c-'0')
	}
	if len(text) < 12 {
		return time.Unix(n, 0).UTC(), len(text) > 0
	}
	return time.UnixMilli(n).UTC(), true
}

// appendQuoted appends valid UTF-8 as a string of JSON.
func appendQuoted[T string | []byte](dst []byte, text T) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ' || c == 0x7f:
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}
