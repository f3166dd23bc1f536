package signals

import (
	"bytes"
	"strings"
	"sync"
	"time"

	"assent/consent"
	"assent/consent/cmp"
	"assent/redact"
)

// readings are as large as what they can hold.
var readings = sync.Pool{New: func() any { return new(cmp.Reading) }}

// schemeOf is the scheme of a kind of text.
var schemeOf = map[cmp.Kind]consent.Scheme{
	cmp.TCF: consent.TCF, cmp.GPP: consent.GPP, cmp.USPrivacy: consent.USPrivacy, cmp.GCS: consent.ConsentMode, cmp.GCD: consent.ConsentMode, cmp.UET: consent.UET,
	cmp.ATT: consent.Device, cmp.LMT: consent.Device, cmp.LAT: consent.Device, cmp.AdTracking: consent.Device, cmp.IFAType: consent.Device,
	cmp.OneTrust: consent.OneTrust, cmp.Cookiebot: consent.Cookiebot, cmp.CookieConsent: consent.CookieConsent, cmp.Didomi: consent.Didomi,
	cmp.CookieYes: consent.CookieYes, cmp.C15t: consent.C15t, cmp.Klaro: consent.Klaro, cmp.Tarteaucitron: consent.Tarteaucitron,
	cmp.Axeptio: consent.Axeptio, cmp.CookieInformation: consent.CookieInformation,
}

// whole is what a value that leaves a word out says of it.
type whole uint8

const (
	part     whole = iota // nothing
	listed                // a no, unless it lists nothing at all
	answered              // a no: it says apart that it was answered
)

// flagAt is a place of a kind whose values say something of a few words, and nothing of
// others.
func flagAt(in Where, name string, k cmp.Kind) *Place { return textAt(in, name, k, reading(k, part)) }

// listAt is a place of a kind whose values list what was chosen: a word that is left out
// is a no.
func listAt(in Where, name string, k cmp.Kind) *Place { return textAt(in, name, k, reading(k, listed)) }

// answersAt is a place of lists that say whether they were answered, so that an empty one
// refuses all.
func answersAt(in Where, name string, k cmp.Kind) *Place {
	return textAt(in, name, k, reading(k, answered))
}

// textAt is a place of text. What an event has there is a string or a number.
func textAt(in Where, name string, k cmp.Kind, read reader) *Place {
	if in == Event {
		read = unquoted(read)
	}
	return &Place{Scheme: schemeOf[k], In: in, Name: name, kind: k, read: read}
}

func reading(k cmp.Kind, whole whole) reader {
	scheme := schemeOf[k]
	return func(r *Reader, value, beside []byte, now time.Time) (answer, error) {
		read := readings.Get().(*cmp.Reading)
		defer readings.Put(read)
		if err := read.Read(k, value, beside); err != nil {
			return answer{}, err
		}
		return r.words(scheme, read, whole, now), nil
	}
}

// declared reads by a form of the brand's own, which may say whether somebody answered.
func declared(c *cmp.Compiled, asks bool) reader {
	whole := listed
	if asks {
		whole = answered
	}
	return func(r *Reader, value, _ []byte, now time.Time) (answer, error) {
		read := readings.Get().(*cmp.Reading)
		defer readings.Put(read)
		if err := read.ReadForm(c, value); err != nil {
			return answer{}, err
		}
		return r.words(consent.Custom, read, whole, now), nil
	}
}

// words judges what a value says of the words that the policy maps. What is granted counts
// as a yes only while the value is valid. Defaults are nobody's choice: a no by default
// keeps a purpose from being used, and is no refusal; a yes by default says nothing.
func (r *Reader) words(k consent.Scheme, read *cmp.Reading, whole whole, now time.Time) answer {
	judged := read.Judge(now)
	choice := judged.Choice || whole == answered && !judged.Reasons.Has(cmp.NoChoice)
	l := r.listen(k)
	for i := range read.Words {
		w, s := &read.Words[i], unsaid
		switch {
		case w.Said == cmp.Granted && judged.Valid:
			s = yes
		case w.Said == cmp.Granted && choice:
			s = unusable
		case w.Said == cmp.Denied && choice:
			s = no
		case w.Said == cmp.Denied, whole != part && choice: // a no by default; in an answer, a value that is not defined
			s = unusable
		}
		l.hearOf(w.Text, s, strings.HasSuffix(w.Of, "_li"))
	}
	if whole != part && choice {
		l.rest(no)
	}
	a := answer{Verdict: l.verdict, until: read.Expires}
	if judged.Valid && judged.Choice {
		a.made, a.chose = read.Made, l.verdict
	}
	return a
}

func unquoted(read reader) reader {
	return func(r *Reader, value, beside []byte, now time.Time) (answer, error) {
		text, err := textOf(value)
		if err != nil {
			return answer{}, err
		}
		return read(r, text, beside, now)
	}
}

// textOf is what a JSON string stands for; of a number, true and false their spelling.
// Only a string with escapes allocates.
func textOf(value []byte) ([]byte, error) {
	switch {
	case len(value) < 2 || value[0] != '"':
		return value, nil
	case bytes.IndexByte(value, '\\') < 0:
		return value[1 : len(value)-1], nil
	}
	return redact.AppendUnquoted(nil, value)
}
