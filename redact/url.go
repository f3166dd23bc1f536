package redact

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// schemes are those of the addresses that browsers and apps give for a page or a
// referrer. Others have no page behind them: a mailto: or data: URL is itself what
// somebody typed, a file: URL names an account on the device.
var schemes = [...]string{"https://", "http://", "android-app://", "ios-app://"}

// stripQuery appends the URL in text without its userinfo, its fragment and
// every query parameter whose name, percent-decoded, is not allowed; the path
// stays. ";" is taken for "&", as older servers do. What is not an absolute URL
// of a scheme above, nor a reference that begins with "/" or "?", is no URL: any
// word would be a relative reference (RFC 3986, 4.2). Nor is what readers
// disagree about: spaces, controls, backslashes, missing slashes (RFC 3986,
// appendix A, forbids them; WHATWG URL, 4.4, repairs them).
func (a *action) stripQuery(dst, text []byte) ([]byte, bool) {
	text = bytes.Trim(text, " ")
	question, end := -1, len(text)
scan:
	for i, c := range text {
		switch {
		case c > '\\' && c != 0x7F: // most
		case c == '#':
			end = i
			break scan
		case c <= ' ', c == 0x7F, c == '\\' && question < 0:
			return dst, false
		case c == '?' && question < 0:
			question = i
		}
	}
	text = text[:end]
	var query []byte
	if question >= 0 {
		text, query = text[:question], text[question+1:]
	}
	authority, ok := authorityStart(text)
	if !ok {
		return dst, false
	}
	start := len(dst)
	dst = append(dst, text[:authority]...)
	text = text[authority:]
	if authority > 0 {
		if end = bytes.IndexByte(text, '/'); end < 0 {
			end = len(text)
		}
		user := bytes.LastIndexByte(text[:end], '@') + 1
		if !isHost(text[user:end]) {
			return dst[:start], false
		}
		text = text[user:]
	}
	if hidesUserinfo(text) {
		return dst[:start], false
	}
	dst = append(dst, text...)
	joint := byte('?')
	for len(query) > 0 {
		pair := query
		if i := bytes.IndexAny(query, "&;"); i >= 0 {
			pair, query = query[:i], query[i+1:]
		} else {
			query = nil
		}
		if a.allowed(pair) {
			dst = append(append(dst, joint), pair...)
			joint = '&'
		}
	}
	mid := len(dst)
	return cut(AppendQuoted(dst, dst[start:]), start, mid), true
}

// authorityStart returns where userinfo and host begin in a URL without query
// and fragment, 0 if it is a reference that has none.
func authorityStart(text []byte) (int, bool) {
	for _, s := range schemes {
		if len(text) >= len(s) && bytes.EqualFold(text[:len(s)], []byte(s)) {
			return len(s), true
		}
	}
	if bytes.HasPrefix(text, []byte("//")) {
		return 2, true
	}
	return 0, len(text) == 0 || text[0] == '/'
}

// isHost tells whether a host, with a port or without, is what it should be
// (RFC 3986, 3.2.2). Characters beyond ASCII are letters and digits of a name;
// percent-encoded ones could be an "@".
func isHost(text []byte) bool {
	i := 0
	if len(text) > 0 && text[0] == '[' {
		i = bytes.IndexByte(text, ']') + 1
		var ip [16]byte
		if i < 2 || !parseIPv6(&ip, text[1:i-1]) {
			return false
		}
		if i < len(text) && text[i] != ':' {
			return false
		}
	}
	for i < len(text) {
		c := text[i]
		switch {
		case c|0x20 >= 'a' && c|0x20 <= 'z', c-'0' <= 9, c == '.', c == '-', c == '_':
			i++
			continue
		case c == ':':
			port := text[i+1:]
			return i > 0 && len(port) <= 5 && len(bytes.Trim(port, "0123456789")) == 0
		case c < utf8.RuneSelf:
			return false
		}
		r, n := utf8.DecodeRune(text[i:])
		if !unicode.In(r, unicode.L, unicode.M, unicode.Nd) {
			return false
		}
		i += n
	}
	return len(text) > 0
}

// hidesUserinfo tells whether a path holds another URL with userinfo, as those
// of redirects and archives do.
func hidesUserinfo(path []byte) bool {
	for bytes.IndexByte(path, '@') >= 0 {
		i := bytes.Index(path, []byte("://"))
		if i < 0 {
			return false
		}
		path = path[i+3:]
		end := bytes.IndexByte(path, '/')
		if end < 0 {
			end = len(path)
		}
		if bytes.IndexByte(path[:end], '@') >= 0 {
			return true
		}
	}
	return false
}

// allowed tells whether the parameter's name is in the list. A name that is
// badly encoded is in none.
func (a *action) allowed(pair []byte) bool {
	name := pair
	if i := bytes.IndexByte(pair, '='); i >= 0 {
		name = pair[:i]
	}
	for _, want := range a.allow {
		if sameName(name, want) {
			return true
		}
	}
	return false
}

// sameName compares a percent-encoded name with a plain one.
func sameName(name []byte, want string) bool {
	for ; len(name) > 0; name = name[1:] {
		c := name[0]
		switch c {
		case '+':
			c = ' '
		case '%':
			if len(name) < 3 || hexDigit(name[1]) < 0 || hexDigit(name[2]) < 0 {
				return false
			}
			c = byte(hexDigit(name[1])<<4 | hexDigit(name[2]))
			name = name[2:]
		}
		if want == "" || c != want[0] {
			return false
		}
		want = want[1:]
	}
	return want == ""
}
