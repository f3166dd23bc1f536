package signals

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"assent/consent"
	"assent/consent/cmp"
)

// speakers are the schemes whose strings say when somebody chose: only of such a string
// can be told whether it is newer than what is on record.
var speakers = consent.SchemeSet(0).With(consent.TCF).With(consent.GPP).With(consent.OneTrust).With(consent.Cookiebot).
	With(consent.CookieConsent).With(consent.Didomi).With(consent.C15t).With(consent.Axeptio).With(consent.CookieInformation).With(consent.Custom)

// Speaker is the scheme of a name, if a source can make it speak for its visitors.
func Speaker(name string) (consent.Scheme, error) {
	if k, err := consent.ParseScheme(name); err == nil && speakers.Has(k) {
		return k, nil
	}
	return consent.NoScheme, errors.New("authority: want some of " + strings.Join(speakers.Names(), ", ") + ": strings of others do not say when somebody chose")
}

// Claim is what a consent manager says that a person chose, by a string that is valid now.
type Claim struct {
	Granted, Denied consent.PurposeSet
	Made            time.Time
	By              time.Time // the latest instant at which it may have been made
	carried         *Carried
	beside          []byte
}

func latest(a answer) time.Time {
	if a.by.IsZero() {
		return a.made
	}
	return a.by
}

// Cookie reports whether a cookie carried it, so that a browser remembers.
func (c *Claim) Cookie() bool { return c.carried.Place.In == Cookie }

// Place is where the string was carried.
func (c *Claim) Place() string { return c.carried.Place.String() }

// Evidence is the string itself, if it is one of bits. Cookies hold identifiers and pages:
// of them it is what was read, without those, and a hash.
func (c *Claim) Evidence() *consent.Evidence {
	p, sum := c.carried.Place, sha256.New()
	sum.Write(c.carried.Value)
	sum.Write(c.beside)
	out := &consent.Evidence{Scheme: p.Scheme.String(), Place: p.String(), Made: c.Made, Hash: hex.EncodeToString(sum.Sum(nil))}
	value := c.carried.Value
	if p.In == Event {
		value, _ = textOf(value)
	}
	if p.kind == cmp.TCF || p.kind == cmp.GPP {
		out.String = string(value)
		return out
	}
	read := readings.Get().(*cmp.Reading)
	defer readings.Put(read)
	if p.kind != cmp.Unknown && read.Read(p.kind, value, c.beside) == nil {
		out.Said = read.AppendJSON(nil)
	}
	return out
}

// Claims are those of some schemes among the values that came, in their order. What two of
// them contradict each other in is for the caller to keep: each is a claim.
func (r *Reader) Claims(all []Carried, of consent.SchemeSet, now time.Time) (out []Claim) {
	for i := range all {
		p, value := all[i].Place, all[i].Value
		if p.read == nil || !of.Has(p.Scheme) || !speakers.Has(p.Scheme) || !r.Hears(p.Scheme) {
			continue
		}
		with, next := beside(all, p, 0)
		if more, _ := beside(all, p, next); more != nil {
			continue // nobody can tell which of two answers the value is of
		}
		a, unreadable := r.judge(p, value, with, now)
		if unreadable || a.made.Before(time.Unix(0, 0)) || a.made.After(now) || a.chose.Allowed|a.chose.Denied == 0 {
			continue
		}
		out = append(out, Claim{
			Granted: a.chose.Allowed &^ (a.chose.Denied | a.chose.Unusable), Denied: a.chose.Denied, Made: a.made, By: latest(a), carried: &all[i], beside: with,
		})
	}
	return out
}
