package cmp

import "unicode/utf8"

// scanner reads JSON (RFC 8259) off a text that plain has passed and that may be written
// over: strings are unescaped in place. The first mistake sets err and ends the text.
type scanner struct {
	text  []byte
	at    int
	depth int
	err   error
}

func (s *scanner) fail(what string) {
	if s.err == nil {
		s.err = &Error{what, s.at}
	}
	s.at = len(s.text)
}

// peek is the next character that is no white space; 0 at the end.
func (s *scanner) peek() byte {
	for ; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// expect passes over one character.
func (s *scanner) expect(c byte) {
	switch s.peek() {
	case c:
		s.at++
	case 0:
		s.fail(tooEarly)
	default:
		s.fail("no JSON")
	}
}

// open begins an object or array.
func (s *scanner) open() {
	s.at++
	if s.depth++; s.depth > maxDepth {
		s.fail("nested too deeply")
	}
}

// more goes to the next member or element of what open began, and past its end.
func (s *scanner) more(first bool, end byte) bool {
	if s.peek() == end {
		s.at++
		s.depth--
		return false
	}
	if !first {
		s.expect(',')
	}
	return s.err == nil
}

const tooEarly = "the text ends too early"

// key reads a member's name and its colon.
func (s *scanner) key() []byte {
	k := s.str()
	s.expect(':')
	return k
}

// str reads a string.
func (s *scanner) str() []byte {
	s.expect('"')
	start, n := s.at, s.at
	for s.at < len(s.text) {
		c := s.text[s.at]
		s.at++
		switch {
		case c == '"':
			return s.text[start:n:n]
		case c < ' ':
			s.at--
			s.fail("a control character")
		case c == '\\':
			n = s.escape(n)
		default:
			s.text[n] = c
			n++
		}
	}
	s.fail(tooEarly)
	return nil
}

// escape reads what follows a backslash and writes it at n.
func (s *scanner) escape(n int) int {
	if s.at == len(s.text) {
		return n
	}
	c := s.text[s.at]
	s.at++
	switch c {
	case '"', '\\', '/':
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'u':
		r := s.unit(s.at)
		if r < 0 {
			s.fail("no escape of JSON")
			return n
		}
		s.at += 4
		if 0xd800 <= r && r < 0xe000 {
			r = s.surrogate(r)
		}
		return n + utf8.EncodeRune(s.text[n:s.at], r)
	default:
		s.at--
		s.fail("no escape of JSON")
		return n
	}
	s.text[n] = c
	return n + 1
}

// surrogate reads the second half of a pair; a half alone is the replacement character.
func (s *scanner) surrogate(high rune) rune {
	if high < 0xdc00 && s.at+1 < len(s.text) && s.text[s.at] == '\\' && s.text[s.at+1] == 'u' {
		if low := s.unit(s.at + 2); 0xdc00 <= low && low < 0xe000 {
			s.at += 6
			return (high-0xd800)<<10 + (low - 0xdc00) + 0x10000
		}
	}
	return utf8.RuneError
}

// unit is the four hexadecimal digits at a place; -1: there are none.
func (s *scanner) unit(at int) (u rune) {
	if at+4 > len(s.text) {
		return -1
	}
	for _, c := range s.text[at : at+4] {
		if hex(c) > 15 {
			return -1
		}
		u = u<<4 | rune(hex(c))
	}
	return u
}

// scalar reads a string, number, true, false or null.
func (s *scanner) scalar() (text []byte, raw bool) {
	if s.peek() == '"' {
		return s.str(), false
	}
	start := s.at
	for s.at < len(s.text) && isToken(s.text[s.at]) {
		s.at++
	}
	text = s.text[start:s.at:s.at]
	switch string(text) {
	case "true", "false", "null":
		return text, true
	}
	if isNumber(text) {
		return text, true
	}
	if s.at = start; start == len(s.text) {
		s.fail(tooEarly)
	} else {
		s.fail("no JSON")
	}
	return nil, true
}

func isToken(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '+' || c == '.' || c == 'E'
}

// isNumber holds a text to the grammar: -? int frac? exp?
func isNumber(t []byte) bool {
	digits := func() bool {
		n := 0
		for n < len(t) && '0' <= t[n] && t[n] <= '9' {
			n++
		}
		t = t[n:]
		return n > 0
	}
	if len(t) > 0 && t[0] == '-' {
		t = t[1:]
	}
	if len(t) > 0 && t[0] == '0' {
		t = t[1:]
	} else if !digits() {
		return false
	}
	if len(t) > 0 && t[0] == '.' {
		if t = t[1:]; !digits() {
			return false
		}
	}
	if len(t) > 0 && (t[0] == 'e' || t[0] == 'E') {
		if t = t[1:]; len(t) > 0 && (t[0] == '+' || t[0] == '-') {
			t = t[1:]
		}
		return digits() && len(t) == 0
	}
	return len(t) == 0
}

// skip passes over a value, and holds it to the grammar.
func (s *scanner) skip() {
	switch s.peek() {
	case '{':
		s.open()
		for first := true; s.more(first, '}'); first = false {
			s.key()
			s.skip()
		}
	case '[':
		s.open()
		for first := true; s.more(first, ']'); first = false {
			s.skip()
		}
	default:
		s.scalar()
	}
}
