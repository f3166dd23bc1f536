package main

import (
	"bytes"
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"

	"assent/keys"
	"assent/policy"
)

func TestPoliciesOutliveTheirFile(t *testing.T) {
	ring, err := keys.Generate(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	open := func() *policies {
		s, err := newPolicies(filepath.Join(dir, "policies"), ring, nil)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	first := open()
	old, err := first.load("")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "policy.yaml")
	if err := os.WriteFile(file, bytes.Replace(policy.Default(), []byte("version: "), []byte("version: 9"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	next, err := first.load(file)
	if err != nil {
		t.Fatal(err)
	}
	if next.Hash() == old.Hash() {
		t.Fatal("two policies have one hash")
	}

	second := open() // another process, which loads neither
	for _, want := range []*policy.Policy{old, next} {
		if got := second.get(want.Hash()); got == nil || got.Hash() != want.Hash() || got.Version() != want.Version() {
			t.Errorf("policy %s cannot be had again", want.Version())
		}
	}
	for _, hash := range []string{"", "absent", "../policy", "/etc/passwd"} {
		if second.get(hash) != nil {
			t.Errorf("there is a policy for %q", hash)
		}
	}

	third := open()
	if err := os.WriteFile(third.path(old.Hash()), policy.Default()[:100], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(third.path(next.Hash()), third.path("other")); err != nil {
		t.Fatal(err)
	}
	for _, hash := range []string{old.Hash(), next.Hash(), "other"} {
		if third.get(hash) != nil {
			t.Errorf("a document that is damaged, moved or another's passes for %q", hash)
		}
	}
}
