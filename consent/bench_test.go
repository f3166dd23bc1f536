package consent

import (
	"testing"
	"time"
)

var benchState *State

func BenchmarkIdentify(b *testing.B) {
	f := setup(b, func(o *Options) { o.Now = time.Now })
	o := f.choose(b, nil, `{"all":"granted"}`)
	choice, id := []byte(o.ChoiceCookie), []byte(o.IDCookie)
	b.Run("warm", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			benchState = f.Identify(choice, id, nil)
		}
	})
	b.Run("cold", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			f.epochs.raise(o.State.Subject)
			benchState = f.Identify(choice, id, nil)
		}
	})
	b.Run("forged", func(b *testing.B) {
		b.ReportAllocs()
		forged := []byte(o.ChoiceCookie)
		for i := 0; b.Loop(); i++ {
			forged[len(forged)-1], forged[len(forged)-2] = byte('A'+i%26), byte('a'+i/26%26)
			benchState = f.Identify(forged, nil, nil)
		}
	})
}

func BenchmarkLookup(b *testing.B) {
	f := setup(b, func(o *Options) { o.Now = time.Now })
	f.choose(b, nil, `{"all":"granted","link":{"anonymousId":"8c1e2f0a-8f7e-4f3f-9a51-0c8d1f3f1b11"}}`)
	x := Subject{Anonymous, "8c1e2f0a-8f7e-4f3f-9a51-0c8d1f3f1b11"}
	b.ReportAllocs()
	for b.Loop() {
		benchState = f.Lookup(x)
	}
}

func BenchmarkResolve(b *testing.B) {
	f := setup(b)
	s := f.choose(b, nil, `{"all":"granted"}`).State
	sig := &Signals{OptOut: SchemeSet(0).With(GPC)}
	now := time.Now()
	b.ReportAllocs()
	var out Resolution
	for b.Loop() {
		out = Resolve(Rules{OptOut: 8, Affirmative: 4, Life: 6}, s, sig, now, now)
	}
	_ = out
}

func BenchmarkSealSubjects(b *testing.B) {
	f := setup(b, sealing("j"))
	random, s := chance(1), Subject{Visitor, "01935a2b-8f7e-7f3f-9a51-0c8d1f3f1b11"}
	ref := f.SealSubjects(nil, []Subject{s}, random)
	b.Run("seal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ref = f.SealSubjects(ref[:0], []Subject{s}, random)
		}
	})
	b.Run("open", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := f.OpenSubjects(ref); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkUnchanged(b *testing.B) {
	f := setup(b)
	m := f.Snapshot(Subject{Visitor, "v"})
	b.ReportAllocs()
	for b.Loop() {
		if !f.Unchanged(m) {
			b.Fatal("does not stand")
		}
	}
}
