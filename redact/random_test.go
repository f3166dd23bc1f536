package redact

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// Names and scalars of random programs and events: few, so that they meet, and
// among them all that has ever been awkward.
var (
	someNames = []string{
		"a", "b", "ip", "email", "context", "products", "a.b", "*", "x[]", "__proto__", "ключ", `q"\`,
		"exactly8", "ninebytes", "sixteen_bytes_ab", "seventeen_bytes_a", "seventeeN_bytes_a", "seventeen_bytes_b",
	}
	someScalars = []string{
		"null", "true", "false", "0", "-0", "1", "-17", "129.95", "-129.951", "9007199254740993", "1e5", "-1.5E-3", "0.1e+2", "12345678901234567890123", "1790000000", "1790000000123",
		`""`, `"***"`, `"abc"`, `"abcdef"`, `"***cdef"`, `"G\u00e4mse \ud83d\ude00"`, `"Gämse 😀"`, `"\"\\\/\b\f\n\r\t"`, `"{\"email\":\"x@y\"}"`,
		`"203.0.113.77"`, `"2001:db8:1:2:3:4:5:6"`, `"::ffff:203.0.113.77"`, `"2002:cb00:714d:1::1"`, `"\u0032\u0030\u0033.0.113.77"`, `"fe80::1%eth0"`, `"1.2.3"`,
		`"2026-11-22T07:04:54.123Z"`, `"2026-11-22T00:30:00+02:00"`, `"2026-02-30T00:00:00Z"`, `"2026-11-22"`, `"2026-11-22 07:04:54"`,
		`"https://anna:pw@shop.example/p?utm_source=n&email=a%40b&%75tm_medium=m;x=1#f"`, `"/p?email=x"`, `"http:\\\\u@h/"`, `"mailto:a@b"`, `"/a?utm_source=1 "`, `"call ann@example.com"`,
	}
)

// dice makes random programs and events from a seed.
type dice struct{ *rand.Rand }

func newDice(seed uint64) dice { return dice{rand.New(rand.NewPCG(seed, 1))} }

func (d dice) one(of []string) string { return of[d.IntN(len(of))] }

func (d dice) name() string {
	if d.IntN(2) == 0 {
		return d.one(someNames[:4])
	}
	return d.one(someNames)
}

func (d dice) place() place {
	p := place{}.child(d.name())
	for d.IntN(2) == 0 {
		p = p.child(d.name())
	}
	for i := len(p) - 1; i >= 0; i-- {
		for d.IntN(6) == 0 {
			p = slices.Insert(p, i+1, "[")
		}
	}
	if d.IntN(5) == 0 {
		p = append(p, "*")
		if d.IntN(4) == 0 {
			p = place{"*"}
		}
	}
	return p
}

// mask is a word of few bits out of few, so that tests pass and fail evenly.
func (d dice) mask() uint64 { return d.Uint64N(8) & d.Uint64N(8) }

func (d dice) action() Action {
	key, err := NewKey("k1", []byte(oracleSecret))
	if err != nil {
		panic(err)
	}
	return []Action{
		{Do: Truncate},
		{Do: HMAC, Key: key},
		{Do: Coarsen, Step: "10"},
		{Do: Coarsen, Step: "0.25"},
		{Do: Coarsen, Step: d.one([]string{"hour", "day", "month", "year"})},
		{Do: Mask, Last: uint8(d.IntN(5))},
		{Do: StripQuery, Allow: []string{"utm_source", "utm_medium"}},
		{Do: Replace, Value: d.one([]string{"null", `"x"`, "0"})},
	}[d.IntN(8)]
}

// program returns rules at different places, simple ones without actions, and
// offers.
func (d dice) program(simple bool) (places []place, rules []Rule, offers []place) {
	for range 1 + d.IntN(10) {
		p := d.place()
		if slices.ContainsFunc(places, func(q place) bool { return slices.Equal(p, q) }) {
			continue
		}
		r := Rule{Path: p.String(), Any: 1 + d.Uint64N(7), Category: uint8(d.IntN(4)), Days: uint16(d.IntN(3) * 30)}
		if d.IntN(4) == 0 {
			r.All = d.mask()
		}
		if !simple && d.IntN(3) == 0 {
			r.Keep = d.action()
		}
		if !simple && d.IntN(2) == 0 {
			r.Else = Fallback{Any: d.mask(), Do: d.action()}
		}
		places, rules = append(places, p), append(rules, r)
	}
	for range d.IntN(4) {
		p := place{}.child(d.name())
		if d.IntN(2) == 0 {
			p = p.child(d.name())
		}
		if len(places) > 0 && d.IntN(2) == 0 {
			p = places[d.IntN(len(places))]
		}
		if !slices.Contains(p, "[") && !slices.Contains(p, "*") && !slices.ContainsFunc(offers, func(q place) bool {
			n := min(len(p), len(q))
			return slices.Equal(p[:n], q[:n])
		}) {
			offers = append(offers, p)
		}
	}
	return places, rules, offers
}

func (d dice) space() string {
	if d.IntN(8) > 0 {
		return ""
	}
	return d.one([]string{" ", "\n\t", "\r\n  ", "          "})
}

// key writes a name, at times with escapes that it does not need.
func (d dice) key() string {
	name := d.name()
	if d.IntN(30) == 0 {
		name = ""
	}
	if d.IntN(6) > 0 {
		return quotedJSON(name)
	}
	var b strings.Builder
	for _, r := range name {
		if d.IntN(2) == 0 {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteString(strings.Trim(quotedJSON(string(r)), `"`))
			if r == '"' {
				b.WriteByte('"')
			}
		}
	}
	return `"` + b.String() + `"`
}

// object writes a random object.
func (d dice) object(depth int) string {
	var b strings.Builder
	b.WriteString("{" + d.space())
	for i := range d.IntN(6) {
		if i > 0 {
			b.WriteString("," + d.space())
		}
		b.WriteString(d.key() + d.space() + ":" + d.space() + d.value(depth) + d.space())
	}
	return b.String() + "}"
}

func (d dice) value(depth int) string {
	switch n := d.IntN(10); {
	case depth == 0 || n < 5:
		return d.one(someScalars)
	case n < 8:
		return d.object(depth - 1)
	}
	var elems []string
	for range d.IntN(4) {
		elems = append(elems, d.space()+d.value(depth-1)+d.space())
	}
	return "[" + d.space() + strings.Join(elems, ",") + "]"
}
