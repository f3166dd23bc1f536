package redact

import (
	"encoding/binary"
	"math/bits"
)

// Ceilings. An event nested or sized beyond them is refused, not cut.
const (
	MaxDepth = 64      // containers open at once; the outermost object is the first
	MaxSize  = 1 << 20 // bytes of one event
)

const (
	low  = 0x0101010101010101
	high = 0x8080808080808080
)

func load(src []byte, i int) uint64 { return binary.LittleEndian.Uint64(src[i:]) }

// special marks, by its high bit, the first byte of x that cannot be passed
// over inside a string: quote, backslash, control or beyond ASCII. Bytes after
// the first one marked may be marked wrongly. Quote (0x22) and controls share a
// test: with bit 1 flipped, they and nothing else in ASCII lie below 0x21. A
// byte beyond ASCII keeps its high bit in one of the two differences.
func special(x uint64) uint64 {
	return (((x ^ 0x02*low) - 0x21*low) | ((x ^ '\\'*low) - low)) & high
}

// space returns the first position from i on that is not whitespace.
func space(src []byte, i int) int {
	for uint(i) < uint(len(src)) {
		switch src[i] {
		case ' ', '\t', '\n', '\r':
			i++
		default:
			return i
		}
	}
	return i
}

// unexpected names what is wrong with the byte at i.
func unexpected(src []byte, i int) int {
	switch {
	case i >= len(src):
		return fail(len(src), UnexpectedEnd)
	case src[i] == 0:
		return fail(i, ControlCharacter)
	}
	return fail(i, UnexpectedByte)
}

// stringEnd validates the string whose opening quote is at i and returns the
// position behind its closing quote.
func stringEnd(src []byte, i int) int {
	for i++; i+8 <= len(src); i += 8 {
		x := load(src, i)
		if m := special(x); m != 0 {
			n := first(m)
			if i += int(n >> 3); byte(x>>n) == '"' {
				return i + 1
			}
			break
		}
	}
	return stringRest(src, i)
}

// first returns how many bits stand before the byte that special marked first.
func first(m uint64) uint { return uint(bits.TrailingZeros64(m)) & 56 }

// stringRest is stringEnd from i, inside the string, on.
func stringRest(src []byte, i int) int {
	for i < len(src) {
		switch c := src[i]; {
		case c == '"':
			return i + 1
		case c == '\\':
			i = escapeEnd(src, i)
		case c < 0x20:
			return fail(i, ControlCharacter)
		case c < 0x80:
			i++
		default:
			i = runesEnd(src, i)
		}
		if i < 0 {
			return i
		}
		for i+8 <= len(src) {
			m := special(load(src, i))
			if m != 0 {
				i += int(first(m) >> 3)
				break
			}
			i += 8
		}
	}
	return fail(len(src), UnexpectedEnd)
}

// escapeEnd validates the escape whose backslash is at i. A high surrogate
// must be followed by a low one, and the two are passed together.
func escapeEnd(src []byte, i int) int {
	if i+1 >= len(src) {
		return fail(len(src), UnexpectedEnd)
	}
	switch src[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
	default:
		return fail(i, BadEscape)
	}
	r := hex4(src, i+2)
	switch {
	case r < 0:
		return hexFailure(src, i)
	case r < 0xD800 || r > 0xDFFF:
		return i + 6
	case r >= 0xDC00 || i+7 >= len(src) || src[i+6] != '\\' || src[i+7] != 'u':
		return fail(i, LoneSurrogate)
	}
	r = hex4(src, i+8)
	switch {
	case r < 0:
		return hexFailure(src, i+6)
	case r < 0xDC00 || r > 0xDFFF:
		return fail(i, LoneSurrogate)
	}
	return i + 12
}

func hexFailure(src []byte, i int) int {
	for j := i + 2; j < i+6; j++ {
		if j >= len(src) {
			return fail(len(src), UnexpectedEnd)
		}
		if hexDigit(src[j]) < 0 {
			break
		}
	}
	return fail(i, BadEscape)
}

// hex4 reads four hexadecimal digits, -1 if they are not there.
func hex4(src []byte, i int) rune {
	if i+4 > len(src) {
		return -1
	}
	var r rune
	for _, c := range src[i : i+4] {
		d := hexDigit(c)
		if d < 0 {
			return -1
		}
		r = r<<4 | d
	}
	return r
}

func hexDigit(c byte) rune {
	switch {
	case c >= '0' && c <= '9':
		return rune(c - '0')
	case c >= 'a' && c <= 'f':
		return rune(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return rune(c-'A') + 10
	}
	return -1
}

// runesEnd validates the run of characters beyond ASCII that begins at i
// (RFC 3629: no overlong form, no surrogate, nothing above U+10FFFF).
func runesEnd(src []byte, i int) int {
	for i < len(src) && src[i] >= 0x80 {
		c := src[i]
		least, most, n := byte(0x80), byte(0xBF), 0
		switch {
		case c >= 0xC2 && c <= 0xDF:
			n = 1
		case c >= 0xE0 && c <= 0xEF:
			n = 2
			if c == 0xE0 {
				least = 0xA0
			} else if c == 0xED {
				most = 0x9F
			}
		case c >= 0xF0 && c <= 0xF4:
			n = 3
			if c == 0xF0 {
				least = 0x90
			} else if c == 0xF4 {
				most = 0x8F
			}
		default:
			return fail(i, InvalidUTF8)
		}
		if i+n >= len(src) || src[i+1] < least || src[i+1] > most {
			return fail(i, InvalidUTF8)
		}
		for j := i + 2; j <= i+n; j++ {
			if src[j]&0xC0 != 0x80 {
				return fail(i, InvalidUTF8)
			}
		}
		i += n + 1
	}
	return i
}

// plainEnd validates the number or literal at i.
func plainEnd(src []byte, i int) int {
	if uint(i) >= uint(len(src)) {
		return fail(len(src), UnexpectedEnd)
	}
	switch c := src[i]; {
	case c == '-' || c-'0' <= 9:
		return numberEnd(src, i)
	case c == 't':
		return literalEnd(src, i, "true")
	case c == 'f':
		return literalEnd(src, i, "false")
	case c == 'n':
		return literalEnd(src, i, "null")
	}
	return unexpected(src, i)
}

func literalEnd(src []byte, i int, word string) int {
	if i+len(word) <= len(src) && string(src[i:i+len(word)]) == word {
		return i + len(word)
	}
	for j := range len(word) {
		if i+j >= len(src) {
			return fail(len(src), UnexpectedEnd)
		}
		if src[i+j] != word[j] {
			break
		}
	}
	return fail(i, BadLiteral)
}

func numberEnd(src []byte, i int) int {
	start := i
	if src[i] == '-' {
		i++
	}
	if i >= len(src) {
		return fail(len(src), UnexpectedEnd)
	}
	digits := i
	for uint(i) < uint(len(src)) && src[i]-'0' <= 9 {
		i++
	}
	if i == digits || i > digits+1 && src[digits] == '0' {
		return fail(start, BadNumber)
	}
	if i < len(src) && src[i] == '.' {
		if i = digitsEnd(src, i+1, start); i < 0 {
			return i
		}
	}
	if i < len(src) && src[i]|0x20 == 'e' {
		i++
		if i < len(src) && (src[i] == '+' || src[i] == '-') {
			i++
		}
		i = digitsEnd(src, i, start)
	}
	return i
}

// digitsEnd passes one digit or more.
func digitsEnd(src []byte, i, start int) int {
	digits := i
	for uint(i) < uint(len(src)) && src[i]-'0' <= 9 {
		i++
	}
	switch {
	case i > digits:
		return i
	case i >= len(src):
		return fail(len(src), UnexpectedEnd)
	}
	return fail(start, BadNumber)
}

// valueEnd validates the value that begins at i, whitespace before it already
// passed, inside depth open containers, and returns the position behind it.
func valueEnd(src []byte, i, depth int) int {
	if uint(i) >= uint(len(src)) {
		return fail(len(src), UnexpectedEnd)
	}
	switch src[i] {
	case '"':
		return stringEnd(src, i)
	case '{', '[':
		return containerEnd(src, i, depth)
	}
	return plainEnd(src, i)
}

// containerEnd validates the object or array that begins at i. It does not
// recurse: one bit a level remembers which kind is open.
func containerEnd(src []byte, i, depth int) int {
	var objects uint64
	outside := depth

value:
	if uint(i) >= uint(len(src)) {
		return fail(len(src), UnexpectedEnd)
	}
	switch c := src[i]; c {
	case '"':
		i = stringEnd(src, i)
	case '{', '[':
		if depth == MaxDepth {
			return fail(i, TooDeep)
		}
		depth++
		objects <<= 1
		if i = pass(src, i+1); uint(i) >= uint(len(src)) {
			return fail(len(src), UnexpectedEnd)
		}
		if src[i] == c+2 { // ']' and '}' lie two above '[' and '{'
			depth--
			objects >>= 1
			i++
			break
		}
		if c == '{' {
			objects |= 1
			goto key
		}
		goto value
	default:
		i = plainEnd(src, i)
	}
	if i < 0 {
		return i
	}

after:
	if depth == outside {
		return i
	}
	if i = pass(src, i); uint(i) >= uint(len(src)) {
		return fail(len(src), UnexpectedEnd)
	}
	switch c := src[i]; {
	case c == ',':
		i = pass(src, i+1)
		if objects&1 == 0 {
			goto value
		}
	case c == '}' && objects&1 == 1, c == ']' && objects&1 == 0:
		depth--
		objects >>= 1
		i++
		goto after
	default:
		return unexpected(src, i)
	}

key:
	if uint(i) >= uint(len(src)) || src[i] != '"' {
		return unexpected(src, i)
	}
	if i = stringEnd(src, i); i < 0 {
		return i
	}
	if i = pass(src, i); uint(i) >= uint(len(src)) || src[i] != ':' {
		return unexpected(src, i)
	}
	i = pass(src, i+1)
	goto value
}

// pass is space with a short way out where there is none, small enough to be
// inlined.
func pass(src []byte, i int) int {
	if uint(i) < uint(len(src)) && src[i] > ' ' {
		return i
	}
	return space(src, i)
}

// opening returns the position of the first byte of the one value in src.
func opening(src []byte) int {
	if len(src) >= 3 && src[0] == 0xEF && src[1] == 0xBB && src[2] == 0xBF {
		return fail(0, BOM)
	}
	i := pass(src, 0)
	if i >= len(src) {
		return fail(len(src), UnexpectedEnd)
	}
	return i
}

// closing checks that nothing but whitespace follows i.
func closing(src []byte, i int) int {
	if i = pass(src, i); i < len(src) {
		return fail(i, TrailingBytes)
	}
	return i
}
