// Package cmp reads the small vocabularies in which consent managers, browsers' tags and
// apps speak of consent: cookies, query arguments and flags that are text, each into the
// same neutral shape. It knows words, not purposes: what a word stands for is the policy's.
package cmp

import "time"

// Bounds of what is read.
const (
	MaxText   = 8 << 10 // bytes of a value, as given; a browser keeps 4096 of a cookie
	maxBeside = 64      // of a second one
	maxWords  = 256
	maxFields = 16
	maxDepth  = 16 // of JSON
)

// Said is what a value says of a word. A value that names no word says nothing of it,
// which is as good as Unset.
type Said uint8

const (
	Unset Said = iota // not set, not known, or not one of the values that are defined
	Denied
	Granted
)

func (s Said) String() string { return [...]string{"unset", "denied", "granted"}[s] }

// stricter is the one that lets less pass.
func stricter(a, b Said) Said {
	switch {
	case a == Denied || b == Denied:
		return Denied
	case a == Unset || b == Unset:
		return Unset
	}
	return Granted
}

// A Word is a category, purpose, vendor or signal in the source's own spelling.
type Word struct {
	Of   string // the list that names it, where a source has several: "purposes", "vendors"
	Text []byte // good until the next Read
	Said Said
}

// field is what a value says beside its words.
type field struct {
	name string
	text []byte
	raw  bool // text is a number, true, false or null of JSON, else the text of a string
}

// A Reading holds what one value says. The zero Reading is ready, has room for all that a
// value within bounds can say, and can be used again, for a value at a time.
type Reading struct {
	Words   []Word
	Made    time.Time // when the choice was made, by the clock of a device; zero: not said
	Expires time.Time // the source's own end of it; zero: not said

	facts  Reasons // what decoding saw
	fields []field
	lists  []string // names of the lists of words, as AppendJSON writes them

	used       int // of buf
	buf        [MaxText + maxBeside]byte
	wordSpace  [maxWords]Word
	fieldSpace [maxFields]field
}

// Texts of fields.
var (
	jsonTrue  = []byte("true")
	jsonFalse = []byte("false")
)

// inline are the lists of a kind whose words stand beside its fields.
var inline = []string{""}

// reset forgets the value before.
func (r *Reading) reset(lists []string) {
	r.Words, r.fields = r.wordSpace[:0], r.fieldSpace[:0]
	r.Made, r.Expires, r.facts, r.used, r.lists = time.Time{}, time.Time{}, 0, 0, lists
}

// take copies text into the Reading, so that it can be decoded in place.
func (r *Reading) take(text []byte) ([]byte, error) {
	if len(text) > MaxText || len(text) > len(r.buf)-r.used {
		return nil, &Error{"longer than 8 KiB", MaxText}
	}
	at := r.used
	r.used += copy(r.buf[at:], text)
	return r.buf[at:r.used:r.used], nil
}

// add takes a word. Of one that comes twice the stricter counts.
func (r *Reading) add(of string, text []byte, said Said) (ok bool) {
	for i := range r.Words {
		w := &r.Words[i]
		if string(w.Text) != string(text) || w.Of != of {
			continue
		}
		if w.Said != said {
			w.Said = stricter(w.Said, said)
			r.facts |= 1 << Contradictory
		}
		return true
	}
	if len(r.Words) == maxWords {
		return false
	}
	r.Words = append(r.Words, Word{of, text, said})
	return true
}

// note takes a field; forms have no more than there is room for.
func (r *Reading) note(name string, text []byte, raw bool) {
	r.fields = append(r.fields, field{name, text, raw})
}

// Field is the text of what a value says beside its words, under the name that AppendJSON
// gives it: "method" of Cookiebot, "revision" of vanilla-cookieconsent. Nil: not said.
func (r *Reading) Field(name string) []byte {
	for _, f := range r.fields {
		if f.name == name {
			return f.text
		}
	}
	return nil
}

// Verdict is how a Reading is judged.
type Verdict struct {
	// Valid: what it grants may be used as consent. What it denies is denied either way.
	Valid bool
	// Choice is false where the source itself says that nobody has chosen: defaults,
	// implied, not needed. A flag that is just a state (gcs, lmt) counts as chosen.
	Choice  bool
	Reasons Reasons
}

// Judge says whether what was read counts, at an instant.
func (r *Reading) Judge(now time.Time) Verdict {
	why := r.facts
	if !r.Expires.IsZero() && !now.Before(r.Expires) {
		why |= 1 << Expired
	}
	said := false
	for i := range r.Words {
		said = said || r.Words[i].Said != Unset
	}
	if !said && why&(1<<NotApplicable|1<<NoNotice) == 0 {
		why |= 1 << NothingSaid
	}
	return Verdict{Valid: why&barring == 0, Choice: why&noChoice == 0, Reasons: why}
}

// AppendJSON appends the object that docs/signals.md describes for the kind.
func (r *Reading) AppendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	for _, f := range r.fields {
		dst = appendQuoted(dst, f.name)
		dst = append(dst, ':')
		if f.raw {
			dst = append(dst, f.text...)
		} else {
			dst = appendQuoted(dst, f.text)
		}
		dst = append(dst, ',')
	}
	for _, at := range []struct {
		name string
		t    time.Time
	}{{"made", r.Made}, {"expires", r.Expires}} {
		if !at.t.IsZero() {
			dst = appendQuoted(dst, at.name)
			dst = append(dst, ':', '"')
			dst = at.t.UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z")
			dst = append(dst, '"', ',')
		}
	}
	for _, list := range r.lists {
		if list != "" {
			dst = appendQuoted(dst, list)
			dst = append(dst, ':', '{')
		}
		for _, w := range r.Words {
			if w.Of == list {
				dst = appendQuoted(dst, w.Text)
				dst = append(dst, ':', '"')
				dst = append(dst, w.Said.String()...)
				dst = append(dst, '"', ',')
			}
		}
		if list != "" {
			dst = closed(dst)
			dst = append(dst, ',')
		}
	}
	return closed(dst)
}

// closed ends an object whose last member has left its comma.
func closed(dst []byte) []byte {
	if dst[len(dst)-1] == ',' {
		dst = dst[:len(dst)-1]
	}
	return append(dst, '}')
}
