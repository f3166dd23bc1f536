package consent

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"assent/keys"
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

// SealSubjects appends a reference to all whose choices bear on an event, that only
// Withdrawn can read and no two of which can be told to mean the same people. Subjects
// that are nobody, or longer than a choice can name, are left out, because nothing can
// ever be recorded for them. Nothing is appended where none is left, and without keys.
// Allocates nothing where dst has room.
func (r *Registry) SealSubjects(dst []byte, subjects []Subject, chance Chance) []byte {
	if len(r.seals) == 0 {
		return dst
	}
	k := &r.seals[0]
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

// OpenSubjects reads what SealSubjects wrote. The error says nothing of what is in it.
func (r *Registry) OpenSubjects(ref []byte) ([]Subject, error) {
	if len(ref) == 0 || len(ref) < 1+int(ref[0])+nonceSize {
		return nil, ErrReference
	}
	head := ref[:1+int(ref[0])]
	nonce, sealed := ref[len(head):][:nonceSize], ref[len(head)+nonceSize:]
	for i := range r.seals {
		if r.seals[i].id != string(head[1:]) {
			continue
		}
		text, err := r.seals[i].aead.Open(nil, nonce, sealed, head)
		if err != nil {
			return nil, ErrReference
		}
		var out []Subject
		d := decoder{src: text}
		for len(d.src) > 0 {
			s := d.subject()
			if d.bad || s.IsZero() {
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

// clockSlack is how far the clock may have been set back between an event and the
// withdrawal after it.
const clockSlack = 10 * time.Second

// Withdrawn is what those of a reference deny now, of an event that was judged at an
// instant: the denials of each of them. What was refused with a choice cookie before
// that instant was another's refusal, made with a cookie that says the same. The
// state is Unreadable when the store cannot be read; ErrReference is the error of a
// reference that no key of the ring made.
func (r *Registry) Withdrawn(ref []byte, judged time.Time) (*State, error) {
	subjects, err := r.OpenSubjects(ref)
	if err != nil {
		return nil, err
	}
	all := r.vocab.Load().nobody
	for _, s := range subjects {
		state := r.Lookup(s)
		if s.Kind == Remembered {
			state = state.folded(state.record.where(func(e *Entry) bool {
				return e.Version.Time >= judged.Add(-clockSlack).UnixMicro()
			}), state.Unreadable)
		}
		all = Narrow(all, state)
	}
	return all, nil
}
