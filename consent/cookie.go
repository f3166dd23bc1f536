package consent

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"slices"
	"strings"
	"time"

	"assent/keys"
	"assent/uuid7"
)

// Three values go to the visitor's device, each signed so that a device cannot
// make up another's choice:
//
//	choice cookie   keyid.base64url(record)[.bond].mac   what was chosen; names nobody
//	id cookie       uuid.keyid.mac                       who; a UUIDv7, so it tells its age
//	subject token   [id cookie] ~ choice cookie          both, for devices without cookies
//
// mac is base64url of the first 16 bytes of HMAC-SHA-256 over a label of the kind, a
// NUL and what stands before the last dot. bond is the same over the visitor's id, a
// NUL and the record: a choice issued beside an id is bound to that id, and only who
// proves the id may rest a grant on it.
const (
	macSize     = 16
	choiceLabel = "assent choice 2"
	bondLabel   = "assent bond 1"
	idLabel     = "assent id 1"
	// maxCredential bounds what is looked at, in bytes; browsers keep 4 kB.
	maxCredential = 4096
	tokenJoint    = "~"
)

// cookieJoint stands between the values of several cookies of one name: no value can
// hold it (RFC 6265, 4.1.1). NarrowOnly stands before a value that anybody on a domain
// above may have set: it grants nothing.
var cookieJoint = []byte{';'}

// NarrowOnly marks the value of a choice cookie that may narrow and never grant.
const NarrowOnly = '!'

// IDLife is the longest an identifier lives, 395 days (13 months: CNIL guidelines of
// 17 September 2020 on trackers, 38; never prolonged by use).
const IDLife = 395 * 24 * time.Hour

func mac(k *keys.Key, label, body string) string {
	h := hmac.New(sha256.New, k.Secret[:])
	io.WriteString(h, label)
	h.Write([]byte{0})
	io.WriteString(h, body)
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:macSize])
}

// verified reports whether a key of the ring with this id made the mac.
func verified(ring []keys.Key, id, label, body, got string) bool {
	for i := range ring {
		if ring[i].ID == id {
			return hmac.Equal([]byte(mac(&ring[i], label, body)), []byte(got))
		}
	}
	return false
}

// signChoice writes a record as a choice cookie. Bound to a visitor, the entries are
// exact; bound to nobody, they are blurred.
func signChoice(k *keys.Key, r *Record, visitor string) string {
	bare := &Record{Entries: make([]Entry, len(r.Entries))}
	for i, e := range r.Entries {
		if visitor == "" {
			e = e.blurred()
		}
		e.Notice, e.Receipt = "", ""
		bare.Entries[i] = e
	}
	payload := base64.RawURLEncoding.EncodeToString(AppendRecord(nil, bare))
	body := k.ID + "." + payload
	if visitor != "" {
		body += "." + mac(k, bondLabel, visitor+"\x00"+payload)
	}
	return body + "." + mac(k, choiceLabel, body)
}

// MaxCookie is the most bytes that a choice cookie may take, its name included: less
// than the 4096 that browsers keep (RFC 6265bis draft, 5.6), which some count with the
// attributes.
const MaxCookie = 3500

// LongestCookie is how many bytes a choice cookie can take, its name included.
func (p *Purposes) LongestCookie() int {
	const name, year = 40, int64(365 * 24 * time.Hour / time.Microsecond)
	r := &Record{}
	for i := range p.list {
		if u := &p.list[i]; u.Basis.Chooses() {
			r = r.with(Entry{
				Purpose: u.Name, Status: Granted, Version: Version{maxMicros, 1<<16 - 1}, Revision: u.Revision,
				Since: maxMicros - 10*year, Until: maxMicros + 2*year,
			})
		}
	}
	key := &keys.Key{ID: strings.Repeat("k", 16)}
	return name + len(signChoice(key, r, "bound"))
}

// choiceCookie is one that verified.
type choiceCookie struct {
	record  *Record
	ring    []keys.Key
	key     string // id of the key that signed it
	payload string
	bond    string // empty: bound to nobody
	mac     string
	narrow  bool // whatever it is bound to, only its denials count
}

// boundTo reports whether the cookie was issued beside this visitor's id.
func (c *choiceCookie) boundTo(visitor string) bool {
	return visitor != "" && c.bond != "" && !c.narrow && verified(c.ring, c.key, bondLabel, visitor+"\x00"+c.payload, c.bond)
}

// readChoice verifies and reads a choice cookie. It has no age limit: a denial
// in it must not turn into silence.
func readChoice(ring []keys.Key, cookie []byte) (*choiceCookie, Credential) {
	narrow := len(cookie) > 0 && cookie[0] == NarrowOnly
	if narrow {
		cookie = cookie[1:]
	}
	if len(cookie) > maxCredential {
		return nil, Malformed
	}
	part := strings.Split(string(cookie), ".")
	if len(part) != 3 && len(part) != 4 {
		return nil, Malformed
	}
	c := &choiceCookie{ring: ring, key: part[0], payload: part[1], mac: part[len(part)-1], narrow: narrow}
	if len(part) == 4 {
		if c.bond = part[2]; c.bond == "" {
			return nil, Malformed
		}
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(c.payload)
	if err != nil {
		return nil, Malformed
	}
	if c.record, err = ParseRecord(Subject{}, raw); err != nil {
		return nil, Malformed
	}
	if body := string(cookie[:len(cookie)-len(c.mac)-1]); !verified(ring, c.key, choiceLabel, body, c.mac) {
		return nil, Forged
	}
	return c, Valid
}

// class is the subject of everybody whose cookie says the same. Of a cookie bound to
// nobody, they are all who chose the same within the hour.
func (c *choiceCookie) class() Subject {
	sum := sha256.Sum256([]byte(c.mac))
	return Subject{Remembered, base64.RawURLEncoding.EncodeToString(sum[:macSize])}
}

// blurred is the entry with its times rounded down to the hour and without its node.
// A cookie bound to nobody is kept after a refusal, and a time in microseconds would
// tell one visitor from all others.
func (e Entry) blurred() Entry {
	e.Version.Node, e.Notice, e.Receipt, e.Carried = 0, "", "", false
	for _, t := range []*int64{&e.Version.Time, &e.Since, &e.Until} {
		*t -= *t % blur
	}
	if e.Status == Denied {
		e.Since = e.Version.Time
	}
	return e
}

func signID(k *keys.Key, visitor string) string {
	body := visitor + "." + k.ID
	return body + "." + mac(k, idLabel, body)
}

// readID verifies an id cookie and returns the visitor's id and when it ends.
func readID(ring []keys.Key, cookie []byte, now time.Time) (visitor string, ends time.Time, c Credential) {
	if len(cookie) == 0 {
		return "", ends, Absent
	}
	if len(cookie) > maxCredential {
		return "", ends, Malformed
	}
	s := string(cookie)
	dot := strings.LastIndexByte(s, '.')
	visitor, id, ok := strings.Cut(s[:max(dot, 0)], ".")
	born, uuid := uuid7.Time(visitor)
	if !ok || !uuid {
		return "", ends, Malformed
	}
	if !verified(ring, id, idLabel, s[:dot], s[dot+1:]) {
		return "", ends, Forged
	}
	if ends = born.Add(IDLife); !now.Before(ends) {
		return "", ends, Outdated
	}
	return visitor, ends, Valid
}

func readToken(token []byte) (id, choice []byte) {
	id, choice, ok := bytes.Cut(token, []byte(tokenJoint))
	if !ok { // malformed, and named so by readChoice
		return nil, token
	}
	return id, choice
}

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

// readShown verifies what a request presents. Of several cookies of one name, Presented
// holds the fate of the last.
func readShown(ring []keys.Key, choiceCookies, idCookies, token []byte, now time.Time) *shown {
	w := &shown{}
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
		// An outdated id leaves the choice beside it valid; a false id makes it unreadable.
		if w.fate.Token = w.id(ring, id, now); w.fate.Token == Malformed || w.fate.Token == Forged {
			w.unread = true
		}
	}
	return w
}

// device is what the choices say beside a visitor's id or, where it is empty, alone.
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
