package redact

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Kind names a reduction.
type Kind uint8

// The reductions. Each checks what it is given; a value it does not understand
// is dropped and never passed. None of them understands null but Replace.
const (
	None       Kind = iota // no change
	Truncate               // an address: its network of 24 or 48 bits, as a string
	HMAC                   // a string or number: "ID:" and base64url of HMAC-SHA-256 (RFC 2104)
	Coarsen                // a number, or a time as text or as a count since 1970: the lower edge of its step
	Mask                   // a string: "***" and its last characters
	StripQuery             // a page's URL: without user, fragment and queries not allowed
	Replace                // any scalar: a constant
)

// Action is one reduction with its parameters; the zero value changes nothing.
type Action struct {
	Do    Kind
	Key   Key      // HMAC
	Step  string   // Coarsen: a decimal number above 0, or hour, day, month, year
	Last  uint8    // Mask: characters shown, none of a string that has no more than these
	Allow []string // StripQuery: names of query parameters left
	Value string   // Replace: a JSON scalar
}

// Key is a named secret of HMAC. Rotating is compiling with another one; the
// name in front of each result says which was used.
type Key struct {
	id           string
	inner, outer [sha256.BlockSize]byte
}

// NewKey derives a key. The name is 1 to 64 letters, digits, "_", "-" or ".";
// the secret is 16 bytes or more.
func NewKey(id string, secret []byte) (Key, error) {
	if id == "" || len(id) > 64 || strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.") != "" {
		return Key{}, errors.New("name of a key must be 1 to 64 letters, digits, dots, hyphens or underscores")
	}
	if len(secret) < 16 {
		return Key{}, fmt.Errorf("secret of key %q is shorter than 16 bytes", id)
	}
	k := Key{id: id}
	if len(secret) > sha256.BlockSize {
		sum := sha256.Sum256(secret)
		secret = sum[:]
	}
	copy(k.inner[:], secret)
	copy(k.outer[:], secret)
	for i := range k.inner {
		k.inner[i] ^= 0x36
		k.outer[i] ^= 0x5C
	}
	return k, nil
}

// String shows the name and not the secret.
func (k Key) String() string { return "key " + k.id }

// GoString is String, for %#v.
func (k Key) GoString() string { return k.String() }

// action is an Action compiled.
type action struct {
	do    Kind
	key   *Key
	step  step10
	unit  unit
	last  int
	allow []string
	value string
}

func (a Action) compile() (action, error) {
	c := action{do: a.Do}
	switch a.Do {
	case None, Truncate:
	case HMAC:
		if a.Key.id == "" {
			return c, errors.New("hmac: no key")
		}
		c.key = &a.Key
	case Coarsen:
		var ok bool
		if c.unit, ok = units[a.Step]; ok {
			break
		}
		if c.step, ok = parseStep(a.Step); !ok {
			return c, fmt.Errorf("coarsen: step %q is neither a decimal above 0 nor hour, day, month or year", a.Step)
		}
	case Mask:
		c.last = int(a.Last)
	case StripQuery:
		if slices.Contains(a.Allow, "") {
			return c, errors.New("strip_query: a parameter without a name")
		}
		c.allow = append(c.allow, a.Allow...)
	case Replace:
		if end := valueEnd([]byte(a.Value), 0, 0); end != len(a.Value) || a.Value[0] == '{' || a.Value[0] == '[' {
			return c, errors.New("replace: value is not one JSON scalar")
		}
		c.value = a.Value
	default:
		return c, errors.New("no such action")
	}
	return c, nil
}

// apply appends the reduction of the validated scalar raw, as JSON. Where it
// answers false nothing may be emitted and what was appended is to be cut off.
// Room behind dst serves as scratch, so that nothing is allocated once warm.
func (a *action) apply(dst, raw []byte) ([]byte, bool) {
	if a.do == Replace {
		return append(dst, a.value...), true
	}
	start := len(dst)
	quoted := raw[0] == '"'
	text := raw
	if quoted {
		text = raw[1 : len(raw)-1]
		if hasEscape(text) {
			dst = unescape(dst, text)
			text = dst[start:]
		}
	}
	number := raw[0] == '-' || raw[0]-'0' <= 9
	mid, ok := len(dst), false
	switch {
	case a.do == Truncate && quoted:
		dst, ok = truncate(dst, text)
	case a.do == HMAC && (quoted || number):
		dst, ok = a.key.append(dst, text), true
	case a.do == Coarsen && quoted && a.unit != 0:
		dst, ok = a.unit.coarsen(dst, text)
	case a.do == Coarsen && number && a.unit != 0:
		dst, ok = a.unit.coarsenNumber(dst, text)
	case a.do == Coarsen && number:
		dst, ok = a.step.coarsen(dst, text)
	case a.do == Mask && quoted:
		dst, ok = a.mask(dst, text), true
	case a.do == StripQuery && quoted:
		dst, ok = a.stripQuery(dst, text)
	}
	return cut(dst, start, mid), ok
}

// cut removes dst[from:to].
func cut(dst []byte, from, to int) []byte {
	if from == to {
		return dst
	}
	return append(dst[:from], dst[to:]...)
}

// append appends the string of the MAC of text: two plain hashes over pads
// worked out once (RFC 2104 section 4).
func (k *Key) append(dst, text []byte) []byte {
	start := len(dst)
	dst = append(append(dst, k.inner[:]...), text...)
	sum := sha256.Sum256(dst[start:])
	dst = append(append(dst[:start], k.outer[:]...), sum[:]...)
	sum = sha256.Sum256(dst[start:])
	dst = append(append(dst[:start], '"'), k.id...)
	dst = append(dst, ':')
	dst = base64.RawURLEncoding.AppendEncode(dst, sum[:])
	return append(dst, '"')
}

// mask counts characters as Unicode code points. A string of no more than the
// characters to show shows none; the mask itself stays, so that masking twice
// is masking once.
func (a *action) mask(dst, text []byte) []byte {
	const stars = "***"
	if string(text) == stars {
		return append(dst, `"***"`...)
	}
	from, shown := len(text), 0
	for ; shown < a.last && from > 0; shown++ {
		_, n := utf8.DecodeLastRune(text[:from])
		from -= n
	}
	if from == 0 {
		from = len(text)
	}
	start := len(dst)
	dst = append(dst, stars...)
	dst = append(dst, text[from:]...)
	end := len(dst)
	return cut(AppendQuoted(dst, dst[start:]), start, end)
}
