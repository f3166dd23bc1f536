package consent

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"

	"assent/keys"
)

// Three values go to the visitor's device, each signed so that a device cannot
// make up another's choice:
//
//	choice cookie   keyid.base64url(record).mac     what was chosen; names nobody
//	id cookie       uuid.keyid.mac                  who; a UUIDv7, so it tells its age
//	subject token   [id cookie] ~ choice cookie     both, for devices without cookies
//
// mac is base64url of the first 16 bytes of HMAC-SHA-256 over a label of the kind, a
// NUL and what stands before the last dot.
const (
	macSize     = 16
	choiceLabel = "assent choice 1"
	idLabel     = "assent id 1"
	// maxCredential bounds what is looked at, in bytes; browsers keep 4 kB.
	maxCredential = 4096
	tokenJoint    = "~"
)

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

// signChoice writes a record as a choice cookie. With an identifier beside it, the
// entries are exact; alone, they are blurred.
func signChoice(k *keys.Key, r *Record, alone bool) string {
	if alone {
		r = blur(r)
	}
	bare := &Record{Entries: make([]Entry, len(r.Entries))}
	for i, e := range r.Entries {
		e.Notice, e.Receipt = "", ""
		bare.Entries[i] = e
	}
	body := k.ID + "." + base64.RawURLEncoding.EncodeToString(AppendRecord(nil, bare))
	return body + "." + mac(k, choiceLabel, body)
}

// readChoice verifies and reads a choice cookie. It has no age limit: a denial
// in it must not turn into silence.
func readChoice(ring []keys.Key, cookie []byte) (*Record, Credential) {
	if len(cookie) == 0 {
		return nil, Absent
	}
	if len(cookie) > maxCredential {
		return nil, Malformed
	}
	s := string(cookie)
	dot := strings.LastIndexByte(s, '.')
	id, payload, ok := strings.Cut(s[:max(dot, 0)], ".")
	if !ok {
		return nil, Malformed
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(payload)
	if err != nil {
		return nil, Malformed
	}
	r, err := ParseRecord(Subject{}, raw)
	if err != nil {
		return nil, Malformed
	}
	if !verified(ring, id, choiceLabel, s[:dot], s[dot+1:]) {
		return nil, Forged
	}
	return r, Valid
}

// blur rounds a record's times to the hour and drops the nodes. A time in
// microseconds would tell one visitor from all others, which a cookie that is kept
// after a refusal must not. Rounding is to the strict side: a denial is newer, a
// grant older, its span shorter.
func blur(r *Record) *Record {
	const hour = int64(time.Hour / time.Microsecond)
	down := func(t int64) int64 { return t - t%hour }
	up := func(t int64) int64 { return down(t + hour - 1) }
	out := &Record{Entries: make([]Entry, len(r.Entries))}
	for i, e := range r.Entries {
		e.Version.Node, e.Notice, e.Receipt = 0, "", ""
		if e.Status == Granted {
			e.Version.Time, e.Since, e.Until = down(e.Version.Time), up(e.Since), down(e.Until)
		} else {
			e.Version.Time = up(e.Version.Time)
			e.Since = e.Version.Time
		}
		out.Entries[i] = e
	}
	return out
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
	born, uuid := uuidTime(visitor)
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

// newUUID makes a UUIDv7 (RFC 9562, 5.7): milliseconds, then 74 random bits.
func newUUID(rand io.Reader, now time.Time) (string, error) {
	var u [16]byte
	if _, err := io.ReadFull(rand, u[6:]); err != nil {
		return "", fmt.Errorf("reading randomness: %w", err)
	}
	ms := now.UnixMilli()
	for i := range 6 {
		u[i] = byte(ms >> (40 - 8*i))
	}
	u[6] = u[6]&0x0f | 0x70
	u[8] = u[8]&0x3f | 0x80
	h := hex.EncodeToString(u[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:], nil
}

// uuidTime reads the creation time of a UUIDv7 in its one canonical form.
func uuidTime(s string) (time.Time, bool) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' || s[14] != '7' {
		return time.Time{}, false
	}
	var ms int64
	for i := range 36 {
		c := s[i]
		if i == 8 || i == 13 || i == 18 || i == 23 {
			continue
		}
		var v byte
		switch {
		case '0' <= c && c <= '9':
			v = c - '0'
		case 'a' <= c && c <= 'f':
			v = c - 'a' + 10
		default:
			return time.Time{}, false
		}
		if i < 13 {
			ms = ms<<4 | int64(v)
		}
	}
	return time.UnixMilli(ms), true
}
