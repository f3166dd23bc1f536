package consent

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"assent/keys"
	"assent/wire"
)

// A sealed reference says whose record waits in a journal, to the registry alone:
//
//	reference = len:1 key id, nonce:12, (kind:1 len:uvarint id)… (AES-256-GCM), tag:16
//
// There is a subject for each person the request proved, for the tracker's id that the
// event names and, without an id, for the choice that its cookie remembers. What stands
// before the nonce is authenticated too. With a nonce for each event, two references to
// one person have nothing in common.
const (
	nonceSize = 12
	tagSize   = 16
)

// Chance is a stream of random bits that nobody can foretell, such as ChaCha8.
type Chance interface{ Uint64() uint64 }

// sealKey is a key of the journal, ready.
type sealKey struct {
	id   string
	aead cipher.AEAD
}

// sealRing are the keys of the journal: the first seals, all open.
type sealRing []sealKey

func newSealRing(ring []keys.Key) (out sealRing, err error) {
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
		out = append(out, sealKey{ring[i].ID, aead})
	}
	return out, nil
}

// seal is Registry.SealSubjects.
func (ring sealRing) seal(dst []byte, subjects []Subject, chance Chance) []byte {
	if len(ring) == 0 {
		return dst
	}
	k := &ring[0]
	start := len(dst)
	size := 1 + len(k.id) + nonceSize + tagSize
	for i := range subjects {
		size += 4 + len(subjects[i].ID)
	}
	dst = slices.Grow(dst, size)
	dst = append(append(dst, byte(len(k.id))), k.id...)
	head := dst[start:]
	dst = binary.LittleEndian.AppendUint64(dst, chance.Uint64())
	dst = binary.LittleEndian.AppendUint32(dst, uint32(chance.Uint64()))
	nonce := dst[len(dst)-nonceSize:]
	text := len(dst)
	for _, s := range subjects {
		if !s.IsZero() && s.ID != "" && len(s.ID) <= maxSubject {
			dst = appendSubject(dst, s)
		}
	}
	if len(dst) == text {
		return dst[:start]
	}
	return k.aead.Seal(dst[:text], nonce, dst[text:], head)
}

// ErrReference is the error of a reference that cannot be opened.
var ErrReference = errors.New("not a reference that a key of the ring made")

// open reads what seal wrote.
func (ring sealRing) open(ref []byte) ([]Subject, error) {
	if len(ref) == 0 || len(ref) < 1+int(ref[0])+nonceSize {
		return nil, ErrReference
	}
	head := ref[:1+int(ref[0])]
	nonce, sealed := ref[len(head):][:nonceSize], ref[len(head)+nonceSize:]
	for i := range ring {
		if ring[i].id != string(head[1:]) {
			continue
		}
		text, err := ring[i].aead.Open(nil, nonce, sealed, head)
		if err != nil {
			return nil, ErrReference
		}
		var out []Subject
		d := decoder{wire.Reader{Rest: text}}
		for len(d.Rest) > 0 {
			s := d.subject()
			if d.Bad || s.IsZero() {
				return nil, ErrReference
			}
			out = append(out, s)
		}
		if len(out) == 0 {
			return nil, ErrReference
		}
		return out, nil
	}
	return nil, ErrReference
}
