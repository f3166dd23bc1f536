// Package keys holds the fleet's master secrets and derives every other key
// from them: cookie signatures, pseudonyms, receipts, bad-row hashes. All nodes
// of a fleet share one ring; a new secret is put first and the older ones stay
// until nothing signed with them is alive.
//
// A ring file is text: one secret a line, `id base64url(32 bytes)`, newest
// first, '#' starts a comment.
package keys

import (
	"bufio"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Size is the length of a secret and of a derived key in bytes.
const Size = 32

// Key is one derived key. ID names the master secret it comes from and may be
// published beside what the key made.
type Key struct {
	ID     string
	Secret [Size]byte
}

// Ring is the ordered list of master secrets, newest first. Immutable.
type Ring struct {
	masters []Key
}

// Generate makes a ring of one secret named "1" from a source of randomness.
func Generate(rand io.Reader) (*Ring, error) {
	k := Key{ID: "1"}
	if _, err := io.ReadFull(rand, k.Secret[:]); err != nil {
		return nil, fmt.Errorf("reading randomness: %w", err)
	}
	return &Ring{masters: []Key{k}}, nil
}

// Parse reads a ring file. Errors name the line, never its content.
func Parse(r io.Reader) (*Ring, error) {
	ring := &Ring{}
	seen := map[string]bool{}
	s := bufio.NewScanner(r)
	for n := 1; s.Scan(); n++ {
		line, _, _ := strings.Cut(s.Text(), "#")
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		if len(f) != 2 || !validID(f[0]) {
			return nil, fmt.Errorf("line %d: want `id secret`, the id of 1 to 16 letters and digits", n)
		}
		raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(f[1], "="))
		if err != nil || len(raw) != Size {
			return nil, fmt.Errorf("line %d: a secret is %d bytes in base64url", n, Size)
		}
		if seen[f[0]] {
			return nil, fmt.Errorf("line %d: this id is taken by a line above", n)
		}
		seen[f[0]] = true
		ring.masters = append(ring.masters, Key{ID: f[0], Secret: [Size]byte(raw)})
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("reading keys: %w", err)
	}
	if len(ring.masters) == 0 {
		return nil, errors.New("no secret in it")
	}
	return ring, nil
}

// validID keeps ids printable in cookies, pseudonyms and receipts.
func validID(id string) bool {
	for _, c := range []byte(id) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return len(id) > 0 && len(id) <= 16
}

// WriteTo writes the ring in the form Parse reads.
func (r *Ring) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	b.WriteString("# Assent master secrets, newest first. Shared by the fleet; losing one ends every pseudonym made with it.\n")
	for _, m := range r.masters {
		fmt.Fprintf(&b, "%s %s\n", m.ID, base64.RawURLEncoding.EncodeToString(m.Secret[:]))
	}
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}

// Derive returns the key for one use, once per master secret, newest first
// (HKDF-SHA-256, RFC 5869; label is the info string). The first makes, all verify.
func (r *Ring) Derive(label string) []Key {
	out := make([]Key, len(r.masters))
	for i, m := range r.masters {
		b, err := hkdf.Key(sha256.New, m.Secret[:], nil, "assent/"+label, Size)
		if err != nil {
			panic("BUG: deriving a key of a fixed, legal length: " + err.Error())
		}
		out[i] = Key{ID: m.ID, Secret: [Size]byte(b)}
	}
	return out
}
