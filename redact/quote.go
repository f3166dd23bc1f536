package redact

import (
	"bytes"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// AppendQuoted appends s as a JSON string, quotes included. What is not UTF-8
// in s becomes U+FFFD, so that the result is always valid.
func AppendQuoted[T ~string | ~[]byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		if i+8 <= len(s) && special(word(s, i)) == 0 {
			i += 8
			continue
		}
		c := s[i]
		if c >= 0x80 {
			r, n := decodeRune(s[i:min(len(s), i+utf8.UTFMax)])
			if r == utf8.RuneError && n == 1 {
				dst = append(dst, s[start:i]...)
				dst = append(dst, "\uFFFD"...)
				start = i + 1
			}
			i += n
			continue
		}
		if c >= 0x20 && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// word is the eight bytes of s from i on, as load gives them; the compiler makes
// one load of it.
func word[T ~string | ~[]byte](s T, i int) uint64 {
	return uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
		uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
}

// decodeRune decodes through a small array, because a conversion of s itself
// could allocate.
func decodeRune[T ~string | ~[]byte](s T) (rune, int) {
	var b [utf8.UTFMax]byte
	return utf8.DecodeRune(b[:copy(b[:], s)])
}

// AppendUnquoted appends the text that the JSON string src stands for. src is
// the string alone, with its quotes and no whitespace around them. On an error
// dst is returned as it came.
func AppendUnquoted(dst, src []byte) ([]byte, error) {
	if len(src) == 0 || src[0] != '"' {
		return dst, failure(fail(0, NotAString))
	}
	end := stringEnd(src, 0)
	if end < 0 {
		return dst, failure(end)
	}
	if end != len(src) {
		return dst, failure(fail(end, TrailingBytes))
	}
	return unescape(dst, src[1:end-1]), nil
}

// unescape appends what the validated inside of a JSON string stands for.
func unescape(dst, text []byte) []byte {
	for {
		n := bytes.IndexByte(text, '\\')
		if n < 0 {
			return append(dst, text...)
		}
		dst = append(dst, text[:n]...)
		r, size := unescapeOne(text[n:])
		dst = utf8.AppendRune(dst, r)
		text = text[n+size:]
	}
}

// unescapeOne decodes the validated escape at the start of text.
func unescapeOne(text []byte) (r rune, size int) {
	switch c := text[1]; c {
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		r = hex4(text, 2)
		if r < 0xD800 || r > 0xDFFF {
			return r, 6
		}
		return 0x10000 + (r-0xD800)<<10 + hex4(text, 8) - 0xDC00, 12
	default: // quote, backslash, slash
		return rune(c), 2
	}
}
