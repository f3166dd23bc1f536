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

// coarsen appends the start of the unit that the RFC 3339 timestamp in text
// lies in, in UTC: the offset would tell where somebody was.
func (u unit) coarsen(dst, text []byte) ([]byte, bool) {
	t, ok := parseTime(text)
	if !ok {
		return dst, false
	}
	y, m, d := t.Date()
	h := t.Hour()
	if y < 0 || y > 9999 {
		return dst, false
	}
	switch u {
	case year:
		m, d, h = 1, 1, 0
	case month:
		d, h = 1, 0
	case day:
		h = 0
	}
	dst = append(dst, '"')
	dst = time.Date(y, m, d, h, 0, 0, 0, time.UTC).AppendFormat(dst, time.RFC3339)
	return append(dst, '"'), true
}

// parseTime reads an RFC 3339 timestamp (section 5.6) to the minute.
// time.Parse would allocate a zone for each offset.
func parseTime(text []byte) (time.Time, bool) {
	const form = "0000-00-00T00:00:00"
	if len(text) < len(form)+1 {
		return time.Time{}, false
	}
	for i := range len(form) {
		c := text[i]
		if form[i] == '0' && c-'0' > 9 || form[i] != '0' && c != form[i] && c != form[i]|0x20 {
			return time.Time{}, false
		}
	}
	y, m, d := two(text, 0)*100+two(text, 2), two(text, 5), two(text, 8)
	hours, minutes := two(text, 11), two(text, 14)
	t := time.Date(y, time.Month(m), d, hours, minutes, 0, 0, time.UTC)
	if t.Day() != d || t.Month() != time.Month(m) || hours > 23 || minutes > 59 || two(text, 17) > 60 {
		return time.Time{}, false
	}
	text = text[len(form):]
	if text[0] == '.' {
		i := 1
		for i < len(text) && text[i]-'0' <= 9 {
			i++
		}
		if i == 1 {
			return time.Time{}, false
		}
		text = text[i:]
	}
	if len(text) == 1 && text[0]|0x20 == 'z' {
		return t, true
	}
	if len(text) != 6 || text[3] != ':' {
		return time.Time{}, false
	}
	for _, i := range [...]int{1, 2, 4, 5} {
		if text[i]-'0' > 9 {
			return time.Time{}, false
		}
	}
	hours, minutes = two(text, 1), two(text, 4)
	offset := time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	switch {
	case hours > 23 || minutes > 59:
		return time.Time{}, false
	case text[0] == '+':
		return t.Add(-offset), true
	case text[0] == '-':
		return t.Add(offset), true
	}
	return time.Time{}, false
}

// two reads two digits.
func two(text []byte, i int) int { return int(text[i]-'0')*10 + int(text[i+1]-'0') }
