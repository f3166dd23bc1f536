package redact

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

// step10 is a step of size / 10^scale.
type step10 struct {
	size  uint64
	scale int
}

// most bounds a number in coarsening, counted in units of the step's last
// decimal. Beyond it a number is not understood.
const most = 1_000_000_000_000_000_000

// parseStep reads a decimal such as 10 or 0.05.
func parseStep(s string) (step10, bool) {
	whole, fraction, _ := strings.Cut(s, ".")
	if s == "" || numberEnd([]byte(s), 0) != len(s) || len(whole)+len(fraction) > 18 {
		return step10{}, false
	}
	size, err := strconv.ParseUint(whole+fraction, 10, 64)
	return step10{size, len(fraction)}, err == nil && size > 0
}

// coarsen appends the greatest multiple of the step not above the number in
// text, exactly: the digits are worked on, never a float.
func (s step10) coarsen(dst, text []byte) ([]byte, bool) {
	negative := text[0] == '-'
	n, rest, ok := s.scaled(text)
	if !ok {
		return dst, false
	}
	q := n / s.size
	if negative && (rest || n%s.size != 0) {
		q++
	}
	if n = q * s.size; n > most {
		return dst, false
	}
	if negative && n > 0 {
		dst = append(dst, '-')
	}
	unit := uint64(1)
	for range s.scale {
		unit *= 10
	}
	dst = strconv.AppendUint(dst, n/unit, 10)
	if n %= unit; n == 0 {
		return dst, true
	}
	dst = append(dst, '.')
	for n > 0 {
		unit /= 10
		dst = append(dst, '0'+byte(n/unit))
		n %= unit
	}
	return dst, true
}

// scaled returns the whole part of the number's size times 10^scale, and
// whether anything is left behind it.
func (s step10) scaled(text []byte) (n uint64, rest, ok bool) {
	exponent := 0
	if i := bytes.IndexAny(text, "eE"); i >= 0 {
		exponent, text = parseExponent(text[i+1:]), text[:i]
	}
	if text[0] == '-' {
		text = text[1:]
	}
	digits := bytes.IndexByte(text, '.') // how many belong to the whole part
	if digits < 0 {
		digits = len(text)
	}
	digits += exponent + s.scale
	for _, c := range text {
		switch {
		case c == '.':
		case digits <= 0:
			rest = rest || c != '0'
		default:
			digits--
			if n = n*10 + uint64(c-'0'); n > most {
				return 0, false, false
			}
		}
	}
	for ; digits > 0 && n > 0; digits-- {
		if n *= 10; n > most {
			return 0, false, false
		}
	}
	return n, rest, true
}

// parseExponent reads a validated exponent, held within a million either way.
func parseExponent(text []byte) int {
	v := 0
	for _, c := range text {
		if c-'0' <= 9 && v < 1_000_000 {
			v = v*10 + int(c-'0')
		}
	}
	if text[0] == '-' {
		return -v
	}
	return v
}

// unit is a step of time.
type unit uint8

const (
	hour unit = iota + 1
	day
	month
	year
)

var units = map[string]unit{"hour": hour, "day": day, "month": month, "year": year}

// coarsen appends the start of the unit that the time in text lies in, in UTC:
// the offset would tell where somebody was. A time without an offset, or a date,
// is as its sender wrote it, and known to the day: a finer unit is not understood.
func (u unit) coarsen(dst, text []byte) ([]byte, bool) {
	t, known, ok := parseTime(text)
	if !ok || u < known {
		return dst, false
	}
	t = u.start(t)
	if y := t.Year(); y < 0 || y > 9999 {
		return dst, false
	}
	dst = append(dst, '"')
	dst = t.AppendFormat(dst, time.RFC3339)
	return append(dst, '"'), true
}

// ofSeconds bounds what is read as seconds since 1970 on either side; beyond, up
// to a thousand times as much, are milliseconds: from 1840 to 2100 both.
const ofSeconds = 4_102_444_800

// coarsenNumber is coarsen for seconds or milliseconds since 1970. The result is
// in what the sender counted in. One that could be read as the other is not
// understood: a month of milliseconds at the start of 1970.
func (u unit) coarsenNumber(dst, text []byte) ([]byte, bool) {
	n, rest, ok := step10{size: 1}.scaled(text)
	at, scale := int64(n), int64(1)
	if text[0] == '-' {
		if at = -at; rest {
			at--
		}
	}
	t := time.Unix(at, 0)
	if at < -ofSeconds || at >= ofSeconds {
		t, scale = time.UnixMilli(at), 1000
	}
	if !ok || at < -ofSeconds*scale || at >= ofSeconds*scale {
		return dst, false
	}
	at = u.start(t.UTC()).Unix() * scale
	if scale > 1 && at > 0 && at < ofSeconds {
		return dst, false
	}
	return strconv.AppendInt(dst, at, 10), true
}

// start is when the unit that t lies in began.
func (u unit) start(t time.Time) time.Time {
	y, m, d := t.Date()
	h := t.Hour()
	switch u {
	case year:
		m, d, h = 1, 1, 0
	case month:
		d, h = 1, 0
	case day:
		h = 0
	}
	return time.Date(y, m, d, h, 0, 0, 0, time.UTC)
}

// parseTime reads, to the minute, a date, or a date and a time joined by T or a
// space: RFC 3339, 5.6, and ISO 8601's ways of leaving out seconds, colons of the
// offset and the offset itself. known is the finest unit it tells. time.Parse would
// allocate a zone for each offset.
func parseTime(text []byte) (t time.Time, known unit, ok bool) {
	const date, clock, seconds = "0000-00-00", "00:00", ":00"
	if !looksLike(text, date) {
		return t, 0, false
	}
	m, d := time.Month(two(text, 5)), two(text, 8)
	t = time.Date(two(text, 0)*100+two(text, 2), m, d, 0, 0, 0, 0, time.UTC)
	if t.Day() != d || t.Month() != m {
		return t, 0, false
	}
	if text = text[len(date):]; len(text) == 0 {
		return t, day, true
	}
	if text[0] != ' ' && text[0]|0x20 != 't' || !looksLike(text[1:], clock) {
		return t, 0, false
	}
	hours, minutes := two(text, 1), two(text, 4)
	if hours > 23 || minutes > 59 {
		return t, 0, false
	}
	t = t.Add(time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute)
	if text = text[1+len(clock):]; looksLike(text, seconds) {
		if two(text, 1) > 60 {
			return t, 0, false
		}
		if text = text[len(seconds):]; len(text) > 1 && text[0] == '.' && text[1]-'0' <= 9 {
			text = bytes.TrimLeft(text[1:], "0123456789")
		}
	}
	if len(text) == 0 {
		return t, day, true
	}
	offset, ok := parseOffset(text)
	return t.Add(-offset), hour, ok
}

// parseOffset reads Z, or hours with or without minutes, behind a space or none.
func parseOffset(text []byte) (time.Duration, bool) {
	if text[0] == ' ' {
		text = text[1:]
	}
	if len(text) == 1 && text[0]|0x20 == 'z' {
		return 0, true
	}
	if len(text) == 0 || text[0] != '+' && text[0] != '-' {
		return 0, false
	}
	sign, minutes := text[0], 0
	text = text[1:]
	switch {
	case len(text) == 5 && looksLike(text, "00:00"):
		minutes = two(text, 3)
	case len(text) == 4 && looksLike(text, "0000"):
		minutes = two(text, 2)
	case len(text) == 2 && looksLike(text, "00"):
	default:
		return 0, false
	}
	hours := two(text, 0)
	offset := time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if sign == '-' {
		offset = -offset
	}
	return offset, hours <= 23 && minutes <= 59
}

// looksLike tells whether text begins like form, in which 0 is any digit.
func looksLike(text []byte, form string) bool {
	if len(text) < len(form) {
		return false
	}
	for i := range len(form) {
		if c := text[i]; c != form[i] && (form[i] != '0' || c-'0' > 9) {
			return false
		}
	}
	return true
}

// two reads two digits.
func two(text []byte, i int) int { return int(text[i]-'0')*10 + int(text[i+1]-'0') }
