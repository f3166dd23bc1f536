package redact

import (
	"encoding/json"
	"errors"
	"testing"
)

// against runs Append and the oracle on one event and returns the output, nil
// where it was rightly refused.
func against(t *testing.T, seed uint64, src []byte, g Grants) []byte {
	t.Helper()
	d := newDice(seed)
	places, rules, offers := d.program(seed%4 == 0)
	var paths []string
	for _, p := range offers {
		paths = append(paths, p.String())
	}
	p, err := Compile(rules, paths...)
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	var s Supply
	values := make([]string, len(offers))
	for i := range offers {
		if d.IntN(4) > 0 {
			text := unquoted(d.one(someScalars[16:]))
			values[i] = quotedJSON(text)
			s.Set(i, text)
		}
	}
	o := newOracle(places, rules, offers)
	want, wantTally, wantErr := o.redact(src, g, values)
	var tally Tally
	got, err := p.Append([]byte("before"), src, g, &s, &tally)
	if (err != nil) != (wantErr != nil) {
		t.Fatalf("seed %d\nevent %q\nrefused %v, want %v", seed, src, err, wantErr)
	}
	if string(got[:6]) != "before" {
		t.Fatalf("dst overwritten: %q", got)
	}
	if got = got[6:]; err != nil {
		var syntax *SyntaxError
		if len(got) > 0 || !errors.As(err, &syntax) || syntax.Offset > len(src) || syntax.Reason.String() == "unknown" {
			t.Fatalf("seed %d: bad failure %v, output %q", seed, err, got)
		}
		return nil
	}
	if string(got) != want {
		t.Fatalf("seed %d, grants %+v, paths %q, offers %q\nevent %s\n  got %s\n want %s", seed, g, places, offers, src, got, want)
	}
	if tally != wantTally {
		t.Fatalf("seed %d, paths %q\nevent %s\n  got %+v\n want %+v", seed, places, src, tally, wantTally)
	}
	if !json.Valid(got) {
		t.Fatalf("seed %d: not JSON: %s", seed, got)
	}
	return got
}

// judgeTwice compares with the oracle at first judgement and at a second one.
func judgeTwice(t *testing.T, seed uint64, src []byte, was, now uint64) {
	t.Helper()
	if got := against(t, seed, src, Grants{First, was}); got != nil {
		against(t, seed, got, Grants{was, now})
	}
	against(t, seed, src, Grants{was, now})
}

func TestAppendAgreesWithOracle(t *testing.T) {
	for seed := range uint64(8000) {
		d := newDice(^seed)
		src := []byte(d.space() + d.object(4) + d.space())
		if d.IntN(4) == 0 { // damage
			src[d.IntN(len(src))] = "\"\\{}[],:x0\x00\x80 "[d.IntN(13)]
		}
		judgeTwice(t, seed, src, d.Uint64N(8), d.Uint64N(8))
	}
}

func FuzzAppend(f *testing.F) {
	f.Add(uint64(1), uint64(3), uint64(1), readEvent(f))
	for seed := range uint64(40) {
		f.Add(seed, seed, seed/2, []byte(newDice(seed).object(4)))
	}
	f.Fuzz(func(t *testing.T, seed, was, now uint64, src []byte) {
		judgeTwice(t, seed, src, was&7, now&7)
	})
}
