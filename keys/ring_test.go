package keys

import (
	"bytes"
	"strings"
	"testing"
)

func TestRingRoundTrip(t *testing.T) {
	r, err := Generate(bytes.NewReader(bytes.Repeat([]byte{7}, Size)))
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if _, err := r.WriteTo(&file); err != nil {
		t.Fatal(err)
	}
	back, err := Parse(&file)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := r.Derive("cookie"), back.Derive("cookie"); a[0] != b[0] {
		t.Fatal("a ring read back derives other keys")
	}
	if a, b := r.Derive("cookie"), r.Derive("pseudonym"); a[0].Secret == b[0].Secret {
		t.Fatal("two labels share a key")
	}
}

func TestRingRotation(t *testing.T) {
	const (
		older = "a BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc"
		newer = "b CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg"
	)
	one, err := Parse(strings.NewReader(older))
	if err != nil {
		t.Fatal(err)
	}
	two, err := Parse(strings.NewReader("# rotated\n" + newer + "\n" + older + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	was, now := one.Derive("cookie"), two.Derive("cookie")
	if len(now) != 2 || now[0].ID != "b" || now[1] != was[0] {
		t.Fatalf("after rotation the old key must follow the new one: %d keys, first %q", len(now), now[0].ID)
	}
}

func TestParseRefuses(t *testing.T) {
	f := func(file, want string) {
		t.Helper()
		_, err := Parse(strings.NewReader(file))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Fatalf("got %v, want an error with %q", err, want)
		}
	}
	const secret = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc"
	f("", "no secret")
	f("# only a comment\n", "no secret")
	f(secret, "line 1")
	f("a short", "line 1: a secret is 32 bytes")
	f("a."+" "+secret, "line 1")
	f("a "+secret+"\n\na "+secret, "line 3: this id is taken")
}
