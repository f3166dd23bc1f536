package redact

import "bytes"

// stripQuery appends the URL in text without its userinfo, its fragment and
// every query parameter whose name, percent-decoded, is not allowed; the path
// stays. It errs towards what browsers make of sloppy URLs (WHATWG URL
// section 4.4: backslashes as slashes, slashes missing after http:), and takes
// ";" for "&", as older servers do. Controls, and URLs without a hierarchy
// (mailto:, tel:, data:), are not understood.
func (a *action) stripQuery(dst, text []byte) ([]byte, bool) {
	text = bytes.Trim(text, " ")
	for _, c := range text {
		if c < 0x20 || c == 0x7F {
			return dst, false
		}
	}
	if i := bytes.IndexByte(text, '#'); i >= 0 {
		text = text[:i]
	}
	var query []byte
	if i := bytes.IndexByte(text, '?'); i >= 0 {
		text, query = text[:i], text[i+1:]
	}
	authority, ok := authorityStart(text)
	if !ok {
		return dst, false
	}
	start := len(dst)
	dst = append(dst, text[:authority]...)
	text = text[authority:]
	if authority > 0 {
		end := bytes.IndexAny(text, `/\`)
		if end < 0 {
			end = len(text)
		}
		text = text[bytes.LastIndexByte(text[:end], '@')+1:]
	}
	if hidesUserinfo(text, authority) {
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
	dst = dst[:start+len(bytes.TrimRight(dst[start:], " "))]
	mid := len(dst)
	return cut(AppendQuoted(dst, dst[start:]), start, mid), true
}

// hidesUserinfo tells whether readers less strict than browsers would find
// userinfo in what is left: an "@" behind a backslash before the first slash, or
// behind a "://" that begins no scheme we know.
func hidesUserinfo(text []byte, authority int) bool {
	if authority == 0 {
		i := bytes.Index(text, []byte("://"))
		if i < 0 {
			return false
		}
		text = text[i+3:]
	}
	if i := bytes.IndexByte(text, '/'); i >= 0 {
		text = text[:i]
	}
	return bytes.IndexByte(text, '@') >= 0
}

// authorityStart returns where host and userinfo begin in a URL without query
// and fragment, 0 if it has none, being relative.
func authorityStart(text []byte) (int, bool) {
	scheme := 0
	for scheme < len(text) && (text[scheme]|0x20 >= 'a' && text[scheme]|0x20 <= 'z' ||
		scheme > 0 && (text[scheme]-'0' <= 9 || text[scheme] == '+' || text[scheme] == '-' || text[scheme] == '.')) {
		scheme++
	}
	i := 0
	if scheme > 0 && scheme < len(text) && text[scheme] == ':' {
		i = scheme + 1
	}
	slashes := i
	for slashes < len(text) && (text[slashes] == '/' || text[slashes] == '\\') {
		slashes++
	}
	switch {
	case slashes >= i+2:
		return slashes, true
	case i == 0:
		return 0, true
	}
	for _, special := range [...]string{"http", "https", "ws", "wss", "ftp"} {
		if bytes.EqualFold(text[:scheme], []byte(special)) {
			return slashes, true
		}
	}
	return 0, false
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
