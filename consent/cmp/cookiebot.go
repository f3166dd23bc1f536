package cmp

import "strconv"

// readCookiebot reads the cookie CookieConsent: percent-encoded, an object of JavaScript
// with bare names, or 0 (not answered) or -1 (no consent needed) alone. The same two stand
// in stamp. Of method, explicit alone is somebody's act: implied is what Cookiebot itself
// takes from going on, and what it takes a cookie without method for.
func readCookiebot(r *Reading, text []byte) error {
	text, err := unescape(text, false)
	if err != nil {
		return err
	}
	if err := plain(text); err != nil {
		return err
	}
	switch string(text) {
	case "0", "-1":
		r.stamp(text)
		return nil
	}
	p := literal{text: text}
	return p.object(r)
}

// stamp notes what the id of a consent stands for; the id itself is a person's.
func (r *Reading) stamp(id []byte) {
	switch string(id) {
	case "", "0":
		r.facts |= 1 << NoChoice
	case "-1":
		r.facts |= 1 << NotNeeded
	default:
		id = present
	}
	r.note("stamp", id, false)
}

var present = []byte("present")

// literal reads an object of JavaScript as Cookiebot writes it: no spaces, no escapes.
type literal struct {
	text []byte
	at   int
}

// expect passes over one character.
func (p *literal) expect(c byte) error {
	if p.at == len(p.text) || p.text[p.at] != c {
		return &Error{"no " + strconv.QuoteRune(rune(c)), p.at}
	}
	p.at++
	return nil
}

// run passes over the characters that f takes.
func (p *literal) run(f func(byte) bool) []byte {
	start := p.at
	for p.at < len(p.text) && f(p.text[p.at]) {
		p.at++
	}
	return p.text[start:p.at:p.at]
}

func (p *literal) object(r *Reading) error {
	if err := p.expect('{'); err != nil {
		return err
	}
	var seen uint
	for {
		start := p.at
		name := p.run(isWord)
		if len(name) == 0 {
			return &Error{"no name", start}
		}
		if err := p.expect(':'); err != nil {
			return err
		}
		text, quoted, err := p.scalar()
		if err != nil {
			return err
		}
		k := cookiebotMember(name)
		if k >= 0 && seen>>k&1 == 1 {
			return &Error{"a name twice", start}
		}
		if k >= 0 {
			seen |= 1 << k
		}
		if k >= 0 && !r.cookiebot(k, name, text, quoted) {
			return &Error{"no value that is read", start}
		}
		if p.at < len(p.text) && p.text[p.at] == '}' {
			break
		}
		if err := p.expect(','); err != nil {
			return err
		}
	}
	p.at++
	if p.at < len(p.text) {
		return &Error{"more after the end", p.at}
	}
	if seen>>stampMember&1 == 0 {
		r.stamp(nil)
	}
	if seen>>methodMember&1 == 0 {
		r.facts |= 1 << Implied
	}
	return nil
}

// scalar reads '…', a number, true or false.
func (p *literal) scalar() (text []byte, quoted bool, err error) {
	start := p.at
	if p.at < len(p.text) && p.text[p.at] == '\'' {
		p.at++
		text = p.run(func(c byte) bool { return c != '\'' && c != '\\' })
		return text, true, p.expect('\'')
	}
	text = p.run(func(c byte) bool { return isWord(c) || c == '-' || c == '.' })
	if string(text) != "true" && string(text) != "false" && !isNumber(text) {
		return nil, false, &Error{"no value", start}
	}
	return text, false, nil
}

func isWord(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_'
}

// Members that are read. The first are categories.
var cookiebotMembers = [...]string{"necessary", "preferences", "statistics", "marketing", "unclassified", "stamp", "method", "ver", "utc", "region"}

const (
	stampMember  = 5
	methodMember = 6
	verMember    = 7
	utcMember    = 8
	regionMember = 9
)

func cookiebotMember(name []byte) int {
	for i, m := range cookiebotMembers {
		if string(name) == m {
			return i
		}
	}
	return -1
}

// cookiebot takes a member's value; false: it is not of the member's kind.
func (r *Reading) cookiebot(k int, name, text []byte, quoted bool) bool {
	if number := k == verMember || k == utcMember; k < stampMember || number {
		if quoted || number != isNumber(text) {
			return false
		}
	} else if !quoted {
		return false
	}
	switch k {
	case stampMember:
		r.stamp(text)
	case methodMember:
		if string(text) != "explicit" {
			r.facts |= 1 << Implied
		}
		r.note("method", text, false)
	case verMember:
		r.note("ver", text, true)
	case utcMember:
		var ok bool
		r.Made, ok = instant(text)
		return ok
	case regionMember:
		r.note("region", text, false)
	default:
		said := Denied
		if string(text) == "true" {
			said = Granted
		}
		r.add("", name, said)
	}
	return true
}
