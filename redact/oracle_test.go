package redact

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// The oracle is the specification of Append, slow and obvious: decode into an
// ordered tree, judge each value by looking its path up in the plain list of
// rules, build the tree that is left, write it. It shares no code with the
// scanner, the trie or the actions.

// tree is a decoded value. kind is '{', '[' or 's' for a scalar.
type tree struct {
	kind byte
	raw  string   // as it was sent
	keys []string // of an object, as sent
	kids []*tree
}

// oracleValid is RFC 8259 as encoding/json has it, and what Append adds: UTF-8,
// paired surrogates, an object, the ceilings.
func oracleValid(src []byte) bool {
	return oracleValue(src) && len(src) <= MaxSize && bytes.TrimLeft(src, " \t\r\n")[0] == '{'
}

// oracleValue is the same for a value of any kind.
func oracleValue(src []byte) bool {
	return json.Valid(src) && utf8.Valid(src) && pairedSurrogates(string(src)) && oracleDepth(src) <= MaxDepth
}

var anyEscape = regexp.MustCompile(`\\u[0-9a-fA-F]{4}|\\.|[^\\]+`)

// pairedSurrogates tells whether every surrogate in valid JSON has its other
// half right behind it.
func pairedSurrogates(src string) bool {
	awaiting := false
	for _, token := range anyEscape.FindAllString(src, -1) {
		var unit uint64
		if strings.HasPrefix(token, `\u`) {
			unit, _ = strconv.ParseUint(token[2:], 16, 32)
		}
		isLow := unit >= 0xDC00 && unit <= 0xDFFF
		if awaiting != isLow {
			return false
		}
		awaiting = unit >= 0xD800 && unit <= 0xDBFF
	}
	return !awaiting
}

func oracleDepth(src []byte) int {
	depth, deepest, quoted := 0, 0, false
	for i := 0; i < len(src); i++ {
		switch c := src[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}

// parseTree decodes valid JSON and returns what follows the value.
func parseTree(s string) (*tree, string) {
	s = strings.TrimLeft(s, " \t\r\n")
	whole := s
	t := &tree{kind: s[0]}
	if t.kind != '{' && t.kind != '[' {
		n := strings.IndexAny(s+",", " \t\r\n,]}")
		if s[0] == '"' {
			n = quotedLen(s)
		}
		return &tree{kind: 's', raw: s[:n]}, s[n:]
	}
	for s = strings.TrimLeft(s[1:], " \t\r\n"); s[0] != '}' && s[0] != ']'; {
		if s[0] == ',' {
			s = strings.TrimLeft(s[1:], " \t\r\n")
		}
		if t.kind == '{' {
			n := quotedLen(s)
			t.keys = append(t.keys, s[:n])
			s = strings.TrimLeft(s[n:], " \t\r\n")[1:]
		}
		var kid *tree
		kid, s = parseTree(s)
		t.kids = append(t.kids, kid)
		s = strings.TrimLeft(s, " \t\r\n")
	}
	t.raw = whole[:len(whole)-len(s)+1]
	return t, s[1:]
}

func quotedLen(s string) int {
	i := 1
	for s[i] != '"' {
		if s[i] == '\\' {
			i++
		}
		i++
	}
	return i + 1
}

func unquoted(raw string) string {
	var s string
	if err := json.Unmarshal([]byte(raw), &s); err != nil {
		panic(err)
	}
	return s
}

// quotedJSON writes a string the way this package promises to.
func quotedJSON(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	runes := strings.Map(func(r rune) rune { return r }, s) // what is not UTF-8: U+FFFD a byte
	if err := e.Encode(runes); err != nil {
		panic(err)
	}
	q := strings.TrimSpace(b.String())
	return strings.NewReplacer(`\\`, `\\`, `\b`, `\u0008`, `\f`, `\u000c`, `\u2028`, "\u2028", `\u2029`, "\u2029").Replace(q)
}

// write encodes without whitespace.
func (t *tree) write(b *strings.Builder) {
	if t.kind == 's' {
		b.WriteString(t.raw)
		return
	}
	b.WriteByte(t.kind)
	for i, kid := range t.kids {
		if i > 0 {
			b.WriteByte(',')
		}
		if t.kind == '{' {
			b.WriteString(t.keys[i] + ":")
		}
		kid.write(b)
	}
	b.WriteByte(t.kind + 2)
}

// place is a path as a list: names as "n" and the name, "[" for elements, "*"
// as the last for all of an object.
type place []string

func (p place) child(name string) place { return append(slices.Clip(p), "n"+name) }
func (p place) elems() place            { return append(slices.Clip(p), "[") }
func (p place) key() string             { return fmt.Sprintf("%q", []string(p)) }

// String is the path as Rule.Path has it.
func (p place) String() string {
	var b strings.Builder
	for i, s := range p {
		switch s[0] {
		case '[':
			b.WriteString("[]")
			continue
		case '*':
			s = "n*"
		default:
			s = "n" + strings.NewReplacer(`\`, `\\`, `.`, `\.`, `[`, `\[`, `]`, `\]`, `*`, `\*`).Replace(s[1:])
		}
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(s[1:])
	}
	return b.String()
}

// oracle holds the rules by place.
type oracle struct {
	rules  map[string]*Rule
	places []place
	offers []place
}

func newOracle(places []place, rules []Rule, offers []place) *oracle {
	o := &oracle{map[string]*Rule{}, slices.Clone(places), offers}
	for i := range places {
		o.rules[places[i].key()] = &rules[i]
	}
	for _, p := range offers { // an offer that is covered is as good as declared
		if r := o.scalarRule(p); r != nil {
			o.rules[p.key()] = r
			o.places = append(o.places, p)
		}
	}
	return o
}

func (o *oracle) exact(p place) *Rule { return o.rules[p.key()] }

// inherited is the rule for what p and its kin do not name: an open object
// covers all below it, until a path that is more specific takes over.
func (o *oracle) inherited(p place) *Rule {
	if len(p) == 0 {
		return nil
	}
	parent := p[:len(p)-1]
	if p[len(p)-1] != "[" {
		if open := o.open(parent); open != nil {
			return open
		}
	}
	if o.exact(parent) != nil {
		return nil
	}
	return o.inherited(parent)
}

// named tells whether a declared path names p or leads through it.
func (o *oracle) named(p place) bool {
	return slices.ContainsFunc(o.places, func(q place) bool { return len(q) >= len(p) && slices.Equal(q[:len(p)], p) })
}

func (o *oracle) open(p place) *Rule { return o.exact(append(slices.Clip(p), "*")) }

func (o *oracle) scalarRule(p place) *Rule {
	if r := o.exact(p); r != nil {
		return r
	}
	if p[len(p)-1] == "[" {
		if r := o.exact(p[:len(p)-1]); r != nil {
			return r
		}
	}
	if o.named(p) {
		return nil // only longer paths lead here
	}
	return o.inherited(p)
}

// containerRule is the rule for an object or array as a whole.
func (o *oracle) containerRule(p place, kind byte) *Rule {
	if kind == '{' {
		if r := o.open(p); r != nil {
			return r
		}
		if o.exact(p) != nil {
			return nil
		}
	} else if r := o.exact(p); r != nil {
		return r
	}
	if o.named(p) && !o.below(p, kind) {
		return nil // not in the shape that is declared
	}
	return o.inherited(p)
}

// below tells whether a declared path leads on from p through a container of
// this kind.
func (o *oracle) below(p place, kind byte) bool {
	return slices.ContainsFunc(o.places, func(q place) bool {
		return len(q) > len(p) && slices.Equal(q[:len(p)], p) && q[len(p)] != "*" && (q[len(p)] == "[") == (kind == '[')
	})
}

// run is one event judged.
type run struct {
	*oracle
	g       Grants
	values  []string // offered, as JSON; "" for none
	settled map[string]bool
	tally   Tally
}

// redact is Append. An error says only that there is one.
func (o *oracle) redact(src []byte, g Grants, values []string) (string, Tally, error) {
	if !oracleValid(src) {
		return "", Tally{}, errors.New("invalid")
	}
	t, _ := parseTree(string(src))
	g.Now &= g.Was
	r := &run{oracle: o, g: g, values: values, settled: map[string]bool{}}
	if g.Was != First {
		r.values = make([]string, len(o.offers))
	}
	left := r.judge(nil, t)
	if left == nil {
		left = &tree{kind: '{'}
	}
	var b strings.Builder
	left.write(&b)
	return b.String(), r.tally, nil
}

func (r *run) judge(p place, t *tree) *tree {
	if t.kind == 's' {
		return r.scalar(r.scalarRule(p), t)
	}
	rule := r.containerRule(p, t.kind)
	if len(p) > 0 && !r.below(p, t.kind) && (rule == nil || oracleForm(rule, r.g.Now) == 0) {
		r.removed(rule)
		return nil
	}
	left := &tree{kind: t.kind}
	for i, kid := range t.kids {
		at := p.elems()
		if t.kind == '{' {
			at = p.child(unquoted(t.keys[i]))
			r.settle(at, kid.kind)
		}
		if kept := r.judge(at, kid); kept != nil {
			if t.kind == '{' {
				left.keys = append(left.keys, t.keys[i])
			}
			left.kids = append(left.kids, kept)
		}
	}
	if t.kind == '{' {
		r.supply(p, left)
	}
	if len(left.kids) > 0 {
		return left
	}
	if len(t.kids) > 0 {
		return nil
	}
	if t.kind == '[' {
		rule = r.scalarRule(p.elems())
	}
	switch {
	case rule != nil && oracleForm(rule, r.g.Now) > 0:
		r.kept(rule)
		return left
	case len(p) > 0:
		r.removed(rule)
	}
	return nil
}

// settle ends the offers that the sender's key at p answers.
func (r *run) settle(p place, kind byte) {
	for _, offer := range r.offers {
		if slices.Equal(offer, p) || kind != '{' && len(offer) > len(p) && slices.Equal(offer[:len(p)], p) {
			r.settled[offer.key()] = true
		}
	}
}

// supply adds to an object at its end the offers below it that are not settled,
// in their order; an object made on the way stands where its first one would.
func (r *run) supply(p place, left *tree) {
	before := len(left.kids)
	for i, offer := range r.offers {
		rule := r.exact(offer)
		if len(offer) <= len(p) || !slices.Equal(offer[:len(p)], p) || r.settled[offer.key()] || rule == nil {
			continue
		}
		r.settled[offer.key()] = true
		at := left
		for n, step := range offer[len(p) : len(offer)-1] {
			from := 0
			if n == 0 {
				from = before
			}
			at = at.member(quotedJSON(step[1:]), from)
		}
		if r.values[i] == "" || oracleForm(rule, r.g.Now) == 0 {
			continue
		}
		tally := r.tally
		kept := r.scalar(rule, &tree{kind: 's', raw: r.values[i]})
		if kept == nil {
			r.tally = tally
			continue
		}
		at.keys = append(at.keys, quotedJSON(offer[len(offer)-1][1:]))
		at.kids = append(at.kids, kept)
	}
	left.prune(before)
}

// prune takes out the objects, from a member on, that nothing was put in.
func (t *tree) prune(from int) {
	for i := len(t.kids) - 1; i >= from; i-- {
		if t.kids[i].kind == '{' {
			if t.kids[i].prune(0); len(t.kids[i].kids) == 0 {
				t.keys, t.kids = slices.Delete(t.keys, i, i+1), slices.Delete(t.kids, i, i+1)
			}
		}
	}
}

// member finds the object that an earlier offer made, or makes it.
func (t *tree) member(key string, from int) *tree {
	if i := slices.Index(t.keys[from:], key); i >= 0 {
		return t.kids[from+i]
	}
	t.keys = append(t.keys, key)
	t.kids = append(t.kids, &tree{kind: '{'})
	return t.kids[len(t.kids)-1]
}

func (r *run) removed(rule *Rule) {
	r.tally.Removed++
	if rule == nil {
		rule = &Rule{}
	}
	r.tally.RemovedBy[rule.Category]++
}

func (r *run) kept(rule *Rule) {
	r.tally.Kept++
	if rule.Days > 0 && (r.tally.Days == 0 || rule.Days < r.tally.Days) {
		r.tally.Days = rule.Days
	}
}

// oracleForm: 0 dropped, 1 otherwise, 2 kept.
func oracleForm(r *Rule, allowed uint64) int {
	if r.Any&allowed != 0 && r.All&allowed == r.All {
		return 2
	}
	if r.Else.Any&allowed != 0 && r.Else.All&allowed == r.Else.All {
		return 1
	}
	return 0
}

func (r *run) scalar(rule *Rule, t *tree) *tree {
	if rule == nil || oracleForm(rule, r.g.Now) == 0 {
		r.removed(rule)
		return nil
	}
	first := r.g.Was == First
	otherwiseNow := oracleForm(rule, r.g.Now) == 1
	raw, ok, reduced := t.raw, true, false
	if first && rule.Keep.Do != None {
		raw, ok = oracleAction(rule.Keep, raw)
		reduced = true
	}
	if ok && otherwiseNow && (first || oracleForm(rule, r.g.Was) == 2) {
		raw, ok = oracleAction(rule.Else.Do, raw)
		reduced = true
	}
	if !ok {
		r.removed(rule)
		return nil
	}
	if reduced {
		r.tally.Reduced++
	}
	r.kept(rule)
	return &tree{kind: 's', raw: raw}
}

// oracleSecret is the secret of every key in the tests.
const oracleSecret = "0123456789abcdef0123456789abcdef"

func oracleAction(a Action, raw string) (string, bool) {
	if a.Do == Replace {
		return a.Value, true
	}
	text, isString := raw, raw[0] == '"'
	if isString {
		text = unquoted(raw)
	}
	isNumber := strings.ContainsRune("-0123456789", rune(raw[0]))
	switch {
	case a.Do == Truncate && isString:
		return oracleTruncate(text)
	case a.Do == HMAC && (isString || isNumber):
		mac := hmac.New(sha256.New, []byte(oracleSecret))
		mac.Write([]byte(text))
		return `"` + a.Key.id + ":" + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)) + `"`, true
	case a.Do == Coarsen && isString:
		return oracleTime(a.Step, text)
	case a.Do == Coarsen && isNumber:
		return oracleNumber(a.Step, text)
	case a.Do == Mask && isString:
		runes := []rune(text)
		if text == "***" || len(runes) <= int(a.Last) {
			return `"***"`, true
		}
		return quotedJSON("***" + string(runes[len(runes)-int(a.Last):])), true
	case a.Do == StripQuery && isString:
		return oracleURL(a.Allow, text)
	}
	return "", false
}

var sixToFour = netip.MustParsePrefix("2002::/16")

func oracleTruncate(text string) (string, bool) {
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" {
		return "", false
	}
	bits := 48
	if addr = addr.Unmap(); addr.Is4() {
		bits = 24
	} else if sixToFour.Contains(addr) { // an IPv4 address stands behind its 16 bits
		bits = 16 + 24
	}
	return `"` + netip.PrefixFrom(addr, bits).Masked().Addr().String() + `"`, true
}

func oracleNumber(step, text string) (string, bool) {
	if _, ok := units[step]; ok {
		return oracleSince(step, text)
	}
	if _, exp, ok := strings.Cut(strings.ToLower(text), "e"); ok {
		// big.Rat would take for ever; so far out no number of digits outweighs it.
		if e, err := strconv.Atoi(exp); err != nil || max(e, -e) > 400+len(text) {
			zero := strings.Trim(text[:len(text)-len(exp)-1], "-0.") == ""
			if zero {
				return "0", true
			}
			if strings.HasPrefix(exp, "-") {
				if text[0] == '-' {
					return oracleNumber(step, "-1e-300")
				}
				return "0", true
			}
			return "", false
		}
	}
	v, _ := new(big.Rat).SetString(text)
	s, _ := new(big.Rat).SetString(step)
	q := new(big.Rat).Quo(v, s)
	floor := new(big.Int).Div(q.Num(), q.Denom()) // Euclidean: the floor, as the divisor is positive
	_, fraction, _ := strings.Cut(step, ".")
	limit := new(big.Rat).SetFrac(big.NewInt(most), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(len(fraction))), nil))
	result := new(big.Rat).Mul(new(big.Rat).SetInt(floor), s)
	whole := new(big.Rat).Abs(v)
	whole.Sub(whole, new(big.Rat).SetFrac(big.NewInt(1), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(len(fraction))), nil)))
	if whole.Cmp(limit) >= 0 || new(big.Rat).Abs(result).Cmp(limit) > 0 {
		return "", false
	}
	out := result.FloatString(len(fraction))
	if fraction != "" {
		out = strings.TrimRight(strings.TrimRight(out, "0"), ".")
	}
	return out, true
}

// layouts write a time as coarse as the unit.
var layouts = map[string]string{"hour": "2006-01-02T15", "day": "2006-01-02", "month": "2006-01", "year": "2006"}

func oracleStart(step string, t time.Time) time.Time {
	t, err := time.Parse(layouts[step], t.UTC().Format(layouts[step]))
	if err != nil {
		panic(err)
	}
	return t
}

var timeForm = regexp.MustCompile(`^(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d)(?::(?:[0-5]\d|60)(?:\.\d+)?)?(?: ?([Zz]|[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?))?)?$`)

func oracleTime(step, text string) (string, bool) {
	m := timeForm.FindStringSubmatch(text)
	if _, ok := units[step]; !ok || m == nil || m[3] == "" && step == "hour" {
		return "", false
	}
	clock, zone := m[2], strings.ToUpper(strings.ReplaceAll(m[3], ":", ""))
	if clock == "" {
		clock = "00:00"
	}
	if zone == "" {
		zone = "Z"
	}
	if len(zone) == 3 {
		zone += "00"
	}
	t, err := time.Parse("2006-01-02T15:04Z0700", m[1]+"T"+clock+zone)
	if err != nil || t.UTC().Year() < 0 || t.UTC().Year() > 9999 {
		return "", false
	}
	return `"` + oracleStart(step, t).Format(time.RFC3339) + `"`, true
}

// oracleSince is for seconds, and milliseconds, since 1970, from 1840 to 2100.
func oracleSince(step, text string) (string, bool) {
	floor, _ := oracleNumber("1", text)
	at, err := strconv.ParseInt(floor, 10, 64)
	if err != nil {
		return "", false
	}
	within := func(t time.Time) bool { return t.UTC().Year() >= 1840 && t.UTC().Year() < 2100 }
	if t := time.Unix(at, 0); within(t) {
		return strconv.FormatInt(oracleStart(step, t).Unix(), 10), true
	}
	t := time.UnixMilli(at)
	if !within(t) {
		return "", false
	}
	out := oracleStart(step, t).UnixMilli()
	if out != 0 && within(time.Unix(out, 0)) {
		return "", false
	}
	return strconv.FormatInt(out, 10), true
}

var (
	urlBad      = regexp.MustCompile(`[\x00-\x20\x7f]`)
	urlAbsolute = regexp.MustCompile(`^([Hh][Tt][Tt][Pp][Ss]?://|(?i:android-app)://|[Ii][Oo][Ss]-(?i:app)://|//)(?:[^/?]*@)?((?:[\p{L}\p{M}\p{Nd}._-]+|\[([0-9A-Fa-f:.]+)\])(?::[0-9]{0,5})?(?:/[^?]*)?)(?:\?(.*))?$`)
	urlRelative = regexp.MustCompile(`^()((?:/[^?]*)?)()(?:\?(.*))?$`)
	urlInside   = regexp.MustCompile(`://[^/]*@`)
)

func oracleURL(allow []string, text string) (string, bool) {
	text, _, _ = strings.Cut(strings.Trim(text, " "), "#")
	m := urlAbsolute.FindStringSubmatch(text)
	if m == nil && !strings.HasPrefix(text, "//") {
		m = urlRelative.FindStringSubmatch(text)
	}
	if m == nil || urlBad.MatchString(text) || strings.Contains(strings.Split(text, "?")[0], `\`) || urlInside.MatchString(m[2]) {
		return "", false
	}
	if addr, err := netip.ParseAddr(m[3]); m[3] != "" && (err != nil || !addr.Is6()) {
		return "", false
	}
	out, joint := m[1]+m[2], "?"
	for _, pair := range regexp.MustCompile(`[&;]`).Split(m[4], -1) {
		name, _, _ := strings.Cut(pair, "=")
		if name, err := url.QueryUnescape(name); err == nil && slices.Contains(allow, name) {
			out += joint + pair
			joint = "&"
		}
	}
	return quotedJSON(out), true
}
