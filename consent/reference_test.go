package consent

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func chance(seed byte) Chance { return rand.NewChaCha8([32]byte{seed}) }

// sealing has journal keys with these ids, newest first.
func sealing(ids ...string) func(*Options) {
	return func(o *Options) { o.JournalKeys = ring(ids...) }
}

// TestSealedSubject: what is sealed is opened again, by any key still in the ring,
// in this process and in another, and behind what dst held.
func TestSealedSubject(t *testing.T) {
	f := setup(t, sealing("old"))
	later := setup(t, sealing("new", "old"))
	random := chance(1)
	for _, s := range []Subject{
		{Visitor, "01935a2b-8f7e-7f3f-9a51-0c8d1f3f1b11"},
		{Anonymous, "x"},
		{Anonymous, strings.Repeat("é\x00", 85)},
		{Anonymous, strings.Repeat("x", maxText)},
		UserOf(strings.Repeat("s", maxText), strings.Repeat("a", maxText)),
	} {
		ref := f.SealSubjects([]byte("before"), []Subject{s}, random)
		if !bytes.HasPrefix(ref, []byte("before")) || bytes.Contains(ref, []byte(s.ID)) && len(s.ID) > 3 {
			t.Fatalf("%v: sealed as %q", s, ref)
		}
		for name, r := range map[string]*Registry{"this": f.Registry, "a later": later.Registry} {
			got, err := r.OpenSubjects(ref[len("before"):])
			if err != nil || !slices.Equal(got, []Subject{s}) {
				t.Errorf("%s process opens %v, %v, want %v", name, got, err, s)
			}
		}
	}
	two := []Subject{{Visitor, "v"}, {Visitor, strings.Repeat("w", 200)}}
	if got, err := later.OpenSubjects(f.SealSubjects(nil, two, random)); err != nil || !slices.Equal(got, two) {
		t.Errorf("two people are opened as %v, %v", got, err)
	}
	if ref := later.SealSubjects(nil, []Subject{{Visitor, "v"}}, random); string(ref[1:4]) != "new" {
		t.Errorf("%q is not sealed by the newest key", ref)
	}
}

// TestNothingToSeal: nobody, ids that no choice can name, no keys.
func TestNothingToSeal(t *testing.T) {
	f, without := setup(t, sealing("j")), setup(t)
	for _, s := range []Subject{{}, {Visitor, ""}, {NoSubject, "x"}, {Anonymous, strings.Repeat("x", maxSubject+1)}} {
		if ref := f.SealSubjects(nil, []Subject{s}, chance(1)); len(ref) != 0 {
			t.Errorf("%v: sealed as %q", s, ref)
		}
	}
	if ref := without.SealSubjects(nil, []Subject{{Visitor, "v"}}, chance(1)); ref != nil || without.Seals() || !f.Seals() {
		t.Errorf("without keys: sealed as %q", ref)
	}
}

// TestReferencesTellNothing: two references to one person share nothing but the
// key's id and their length; a reference that was touched, cut, made longer or made
// by another key opens to nobody.
func TestReferencesTellNothing(t *testing.T) {
	f := setup(t, sealing("j"))
	random := chance(1)
	s := Subject{Visitor, "01935a2b-8f7e-7f3f-9a51-0c8d1f3f1b11"}
	a, b := f.SealSubjects(nil, []Subject{s}, random), f.SealSubjects(nil, []Subject{s}, random)
	const head = 2
	same := 0
	for i := range a[head:] {
		if a[head+i] == b[head+i] {
			same++
		}
	}
	if same > 5 {
		t.Errorf("%d bytes of two references to one person agree", same)
	}
	refuse := func(what string, ref []byte) {
		t.Helper()
		if got, err := f.OpenSubjects(ref); err == nil || got != nil {
			t.Errorf("%s: opened as %v", what, got)
		} else if strings.Contains(err.Error(), s.ID) {
			t.Errorf("%s: the error holds the id", what)
		}
	}
	for i := range a {
		for bit := range 8 {
			touched := bytes.Clone(a)
			touched[i] ^= 1 << bit
			refuse("touched", touched)
		}
		refuse("cut", a[:i])
	}
	refuse("of no kind there is", f.SealSubjects(nil, []Subject{{Remembered + 1, "x"}}, random))
	refuse("longer", append(bytes.Clone(a), 0))
	refuse("another key of this id", setup(t, func(o *Options) {
		o.JournalKeys = ring("j")
		o.JournalKeys[0].Secret[0] ^= 1
	}).SealSubjects(nil, []Subject{s}, random))
	refuse("another ring", setup(t, sealing("k")).SealSubjects(nil, []Subject{s}, random))
}

func FuzzOpenSubjects(f *testing.F) {
	r := setup(f, sealing("j", "k"))
	f.Add(r.SealSubjects(nil, []Subject{{Anonymous, "x"}}, chance(1)))
	f.Add([]byte{})
	f.Add([]byte{255, 'j'})
	f.Fuzz(func(t *testing.T, ref []byte) {
		s, err := r.OpenSubjects(ref)
		if err != nil {
			return
		}
		// Only its own form: sealed again under the same nonce it is the same.
		again := r.SealSubjects(nil, s, &replay{ref[2 : 2+nonceSize]})
		if !bytes.Equal(again, ref) {
			t.Errorf("%q opens to %v, which is sealed as %q", ref, s, again)
		}
	})
}

// replay gives the bits of a nonce once more.
type replay struct{ rest []byte }

func (r *replay) Uint64() (v uint64) {
	for i := range min(8, len(r.rest)) {
		v |= uint64(r.rest[i]) << (8 * i)
	}
	r.rest = r.rest[min(8, len(r.rest)):]
	return v
}
