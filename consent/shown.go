package consent

import (
	"bytes"
	"slices"
	"time"

	"assent/keys"
)

// shown is what one request presents, verified.
type shown struct {
	visitors []string // proven, each once
	choices  []*choiceCookie
	fate     Presented
	ends     int64 // microseconds; when the first of the ids ends; 0: none
	unread   bool  // a choice came that does not verify
}

func (w *shown) id(ring []keys.Key, raw []byte, now time.Time) Credential {
	visitor, ends, c := readID(ring, raw, now)
	if c != Valid {
		return c
	}
	if w.ends == 0 || ends.UnixMicro() < w.ends {
		w.ends = ends.UnixMicro()
	}
	if !slices.Contains(w.visitors, visitor) {
		w.visitors = append(w.visitors, visitor)
	}
	return c
}

func (w *shown) choice(ring []keys.Key, raw []byte, now time.Time) Credential {
	choice, c := readChoice(ring, raw)
	if w.unread = w.unread || c != Valid; c == Valid {
		choice.record.notAfter(now)
		w.choices = append(w.choices, choice)
	}
	return c
}

// readShown verifies what a request presents. Of several cookies of one name the last
// fate is told.
func (r *Registry) readShown(choiceCookies, idCookies, token []byte, now time.Time) *shown {
	w, ring := &shown{}, r.o.CookieKeys
	for len(idCookies) > 0 {
		var one []byte
		one, idCookies, _ = bytes.Cut(idCookies, cookieJoint)
		w.fate.ID = w.id(ring, one, now)
	}
	for len(choiceCookies) > 0 {
		var one []byte
		one, choiceCookies, _ = bytes.Cut(choiceCookies, cookieJoint)
		w.fate.Choice = w.choice(ring, one, now)
	}
	if len(token) == 0 {
		return w
	}
	id, choice := readToken(token)
	if w.fate.Token = w.choice(ring, choice, now); w.fate.Token == Valid && len(id) > 0 {
		// An id that grew old leaves the choice beside it; a false one discredits it.
		if w.fate.Token = w.id(ring, id, now); w.fate.Token == Malformed || w.fate.Token == Forged {
			w.unread = true
		}
	}
	return w
}

// device is what the choices say beside a visitor's id, or without one.
func (w *shown) device(p *Purposes, visitor string) device {
	d := device{unread: w.unread}
	for i, c := range w.choices {
		var bound, unbound *Record
		d.bonded = d.bonded || c.bond != ""
		d.mixed = d.mixed || visitor != "" && !c.boundTo(visitor)
		switch {
		case c.boundTo(visitor):
			bound = c.record.where(func(e *Entry) bool { return !e.Carried })
			unbound = c.record.where(func(e *Entry) bool { return e.Carried })
		case visitor != "" || c.bond != "" || c.narrow:
			unbound = c.record.denials().carried()
		default:
			unbound = p.idless(c.record).carried()
		}
		if i == 0 {
			d.bound, d.unbound = bound, unbound
			continue
		}
		d.bound, d.unbound = strictest(d.bound, bound), strictest(d.unbound, unbound)
	}
	return d
}

func (w *shown) subjects() (out []Subject) {
	for _, id := range w.visitors {
		out = append(out, Subject{Visitor, id})
	}
	return out
}
