package signals

import (
	"errors"
	"sync"
	"time"

	"assent/consent"
	"assent/consent/cmp"
	"assent/consent/gpp"
	"assent/consent/tcf"
)

var gppStrings = sync.Pool{New: func() any { return new(gpp.String) }}

// Words of sections of the United States, as a policy maps them.
var (
	wordSale        = []byte("sale")
	wordSharing     = []byte("sharing")
	wordTargetedAds = []byte("targeted_advertising")
	wordSensitive   = []byte("sensitive_data")
	wordChild       = []byte("known_child")
	wordPersonal    = []byte("personal_data")
)

// readGPP reads a GPP string. Each section counts, wherever the person is: an opt-out in
// one is an opt-out. The TC string of section 2, and one that stands in the place of a GPP
// string, are read for what the policy maps to TCF.
func readGPP(r *Reader, value, _ []byte, now time.Time) (answer, error) {
	s := gppStrings.Get().(*gpp.String)
	defer gppStrings.Put(s)
	err := gpp.Parse(s, value)
	if errors.Is(err, gpp.ErrTC) {
		a, err := readTCF(r, value, nil, now)
		a.Misplaced = true
		return a, err
	}
	if err != nil {
		return answer{}, err
	}
	a := answer{Verdict: consent.Verdict{Said: true}}
	if text := s.TCF(); text != nil {
		if a, err = readTCF(r, text, nil, now); err != nil {
			return answer{}, err
		}
	}
	c, defined := s.Canada()
	for i := range s.Sections() {
		if s.Sections()[i].ID() == canada {
			if made := time.UnixMilli(int64(c.LastUpdated) * 100); defined && (a.made.IsZero() || made.Before(a.made)) {
				a.made, a.by = made, made.Add(24*time.Hour-time.Microsecond)
			}
			r.canada(c, defined, &a)
		}
	}
	a.chose = a.Verdict // the sections of the United States do not say when
	if !s.Valid() {
		a.made = time.Time{}
	}
	l := listener{terms: r.terms[consent.GPP], verdict: a.Verdict}
	for i := range s.Sections() {
		l.section(&s.Sections()[i])
	}
	a.Verdict = l.verdict
	return a, nil
}

const canada = 5 // the id of its section

// canada takes section 5: purposes with express consent are agreed to, those with implied
// consent are nobody's act, the others are refused. One of a version that is not known, or
// with a value that is not defined, may not be used.
func (r *Reader) canada(c *gpp.Canada, defined bool, a *answer) {
	express, implied := c.Express, c.Implied
	if c.Publisher {
		express, implied = c.PubExpress, c.PubImplied
	}
	for i := range r.tcf {
		t := &r.tcf[i]
		if !defined {
			a.Unusable |= t.purpose
			continue
		}
		if missing := t.needs &^ tcf.Set(express); missing&^tcf.Set(implied) != 0 || missing == 0 {
			a.take(t.purpose, missing == 0, true, true)
		}
	}
}

// section takes one of the United States. One that cannot be read whole may not be used.
func (l *listener) section(s *gpp.Section) {
	u, ok := s.US()
	if !ok {
		return
	}
	l.verdict.OptOut = l.verdict.OptOut || u.GPC
	refused := no
	if s.Status() != gpp.Defined {
		refused = unusable
	}
	sensitive := gpp.Unsaid
	switch {
	case u.SensitiveDenied != 0:
		sensitive = gpp.Denied
	case u.SensitiveAsked != 0:
		sensitive = gpp.Allowed
	}
	for _, w := range [...]struct {
		word []byte
		said gpp.Choice
	}{
		{wordSale, u.SaleOptOut},
		{wordSharing, u.SharingOptOut},
		{wordTargetedAds, u.TargetedAdvertisingOptOut},
		{wordSensitive, sensitive},
		{wordChild, u.KnownChild},
		{wordPersonal, u.PersonalData},
	} {
		switch w.said {
		case gpp.Denied:
			l.hear(w.word, refused)
		case gpp.Allowed:
			l.hear(w.word, yes)
		}
	}
}

// stringAt is a place of TC or GPP strings.
func stringAt(in Where, name string, k cmp.Kind) *Place {
	if k == cmp.TCF {
		return textAt(in, name, k, readTCF)
	}
	return textAt(in, name, k, readGPP)
}
