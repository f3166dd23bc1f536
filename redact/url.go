package redact

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// schemes are those of the addresses that browsers and apps give for a page or a
// referrer. Others have no page behind them: a mailto: or data: URL is itself what
// somebody typed, a file: URL names an account on the device.
var schemes = [...]string{"http://", "https://", "android-app://", "ios-app://"}

// stripQuery appends the URL in text without its userinfo, its fragment and
// every query parameter whose name, percent-decoded, is not allowed; the path
// stays. ";" is taken for "&", as older servers do. What is not an absolute URL
// of a scheme above, nor a reference that begins with "/" or "?", is no URL: any
// word would be a relative reference (RFC 3986, 4.2). Nor is what readers
// disagree about: spaces, controls, backslashes, missing slashes (RFC 3986,
// appendix A, forbids them; WHATWG URL, 4.4, repairs them).
func (a *action) stripQuery(dst, text []byte) ([]byte, bool) {
	text = bytes.Trim(text, " ")
	if i := bytes.IndexByte(text, '#'); i >= 0 {
		text = text[:i]
	}
	for _, c := range text {
		if c <= ' ' || c == 0x7F {
			return dst, false
		}
	}
	var query []byte
	if i := bytes.IndexByte(text, '?'); i >= 0 {
		text, query = text[:i], text[i+1:]
	}
	authority, ok := authorityStart(text)
	if !ok || bytes.IndexByte(text, '\\') >= 0 {
		return dst, false
	}
	start := len(dst)
	dst = append(dst, text[:authority]...)
	text = text[authority:]
	if authority > 0 {
		end := bytes.IndexByte(text, '/')
		if end < 0 {
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
	if i := bytes.LastIndexByte(text, ':'); i > bytes.LastIndexByte(text, ']') {
		port := text[i+1:]
		text = text[:i]
		if len(port) > 5 || len(bytes.Trim(port, "0123456789")) > 0 {
			return false
		}
	}
	if n := len(text); n > 2 && text[0] == '[' && text[n-1] == ']' {
		var ip [16]byte
		return parseIPv6(&ip, text[1:n-1])
	}
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		if r != '-' && r != '.' && r != '_' && !unicode.In(r, unicode.L, unicode.M, unicode.Nd) {
			return false
		}
		i += n
	}
	return len(text) > 0
}

// hidesUserinfo tells whether a path holds another URL with userinfo, as those
// of redirects and archives do.
func hidesUserinfo(path []byte) bool {
	for {
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
