package consent

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"assent/keys"
)

// A sealed reference says whose record waits in a journal, to the registry alone:
//
//	reference = len:1 key id, nonce:12, (kind:1 len:uvarint id)… (AES-256-GCM), tag:16
//
// There are two subjects where a request proved two people. What stands before the nonce is authenticated too. With a nonce for each event,
// two references to one person have nothing in common.
const (
	nonceSize = 12
	tagSize   = 16
)

// Chance is a stream of random bits that nobody can foretell, such as ChaCha8.
type Chance interface{ Uint64() uint64 }

// seal is a key of the journal, ready.
type seal struct {
	id   string
	aead cipher.AEAD
}

func newSeals(ring []keys.Key) ([]seal, error) {
	var out []seal
	for i := range ring {
		if len(ring[i].ID) > 255 {
			return nil, errors.New("a journal key has an id of more than 255 bytes")
		}
		block, err := aes.NewCipher(ring[i].Secret[:])
		if err != nil {
			return nil, fmt.Errorf("making a journal key: %w", err)
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			return nil, fmt.Errorf("making a journal key: %w", err)
		}
		out = append(out, seal{ring[i].ID, aead})
	}
	return out, nil
}

// Seals reports whether there are keys to seal subjects with.
func (r *Registry) Seals() bool { return len(r.seals) > 0 }

// SealSubject appends a reference that only OpenSubject can read and no two of which
// can be told to mean the same person. Nothing is appended for nobody, for an id
// longer than a choice can name, because nothing can ever be recorded for it, and
// without keys. also is a second subject, or zero. Allocates nothing where dst has
// room.
func (r *Registry) SealSubject(dst []byte, s, also Subject, chance Chance) []byte {
	if len(r.seals) == 0 || s.IsZero() || s.ID == "" || len(s.ID) > maxSubject {
		return dst
	}
	k := &r.seals[0]
	start := len(dst)
	dst = slices.Grow(dst, 9+len(k.id)+nonceSize+len(s.ID)+len(also.ID)+tagSize)
	dst = append(append(dst, byte(len(k.id))), k.id...)
	head := dst[start:]
	dst = binary.LittleEndian.AppendUint64(dst, chance.Uint64())
	dst = binary.LittleEndian.AppendUint32(dst, uint32(chance.Uint64()))
	nonce := dst[len(dst)-nonceSize:]
	text := len(dst)
	dst = appendSubject(dst, s)
	if !also.IsZero() {
		dst = appendSubject(dst, also)
	}
	return k.aead.Seal(dst[:text], nonce, dst[text:], head)
}

func appendSubject(dst []byte, s Subject) []byte {
	dst = binary.AppendUvarint(append(dst, byte(s.Kind)), uint64(len(s.ID)))
	return append(dst, s.ID...)
}

func cutSubject(text []byte) (s Subject, rest []byte, ok bool) {
	if len(text) == 0 {
		return s, nil, false
	}
	s.Kind, text = SubjectKind(text[0]), text[1:]
	n, size := binary.Uvarint(text)
	if size <= 0 || n == 0 || n > uint64(len(text)-size) || s.Kind.String() == "" {
		return s, nil, false
	}
	text = text[size:]
	s.ID = string(text[:n])
	return s, text[n:], true
}

// maxSubject bounds a subject's id: a source, a NUL and an account, or any shorter one.
const maxSubject = 2*maxText + 1

var errReference = errors.New("not a reference that a key of the ring made")

// OpenSubject reads what SealSubject wrote; also is zero where there is one subject.
// The error says nothing of what is in it.
func (r *Registry) OpenSubject(ref []byte) (s, also Subject, err error) {
	if len(ref) == 0 || len(ref) < 1+int(ref[0])+nonceSize {
		return s, also, errReference
	}
	head := ref[:1+int(ref[0])]
	nonce, sealed := ref[len(head):][:nonceSize], ref[len(head)+nonceSize:]
	for i := range r.seals {
		if r.seals[i].id != string(head[1:]) {
			continue
		}
		text, err := r.seals[i].aead.Open(nil, nonce, sealed, head)
		if err != nil {
			return s, also, errReference
		}
		s, rest, ok := cutSubject(text)
		if ok && len(rest) > 0 {
			also, rest, ok = cutSubject(rest)
		}
		if !ok || len(rest) > 0 {
			return Subject{}, Subject{}, errReference
		}
		return s, also, nil
	}
	return s, also, errReference
}
