package redact

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// oracleFind returns the raw values at places, "" for absent, and whether a
// place or one on the way to it occurs twice.
func oracleFind(t *tree, at place, sought []place, found []string, seen map[string]bool) (duplicate bool) {
	for i, kid := range t.kids {
		p := at.child(unquoted(t.keys[i]))
		wanted := false
		for n, q := range sought {
			if len(q) >= len(p) && slices.Equal(q[:len(p)], p) {
				wanted = true
				if len(q) == len(p) {
					found[n] = kid.raw
				}
			}
		}
		if !wanted {
			continue
		}
		if seen[p.key()] {
			return true
		}
		seen[p.key()] = true
		if kid.kind == '{' && oracleFind(kid, p, sought, found, seen) {
			return true
		}
	}
	return false
}

var (
	soughtPaths  = []string{"a", "b.a", "b.email", "context", "context.ip", "seventeen_bytes_a", `a\.b`, "products"}
	soughtPlaces = []place{
		{"na"}, {"nb", "na"}, {"nb", "nemail"}, {"ncontext"}, {"ncontext", "nip"}, {"nseventeen_bytes_a"}, {"na.b"}, {"nproducts"},
	}
)

func findAgainst(t *testing.T, f *Finder, src []byte) {
	t.Helper()
	spans := make([]Span, len(soughtPaths))
	err := f.Find(src, spans)
	if !oracleValid(src) {
		var syntax *SyntaxError
		if !errors.As(err, &syntax) {
			t.Fatalf("%q: got %v", src, err)
		}
		return
	}
	found := make([]string, len(soughtPaths))
	root, _ := parseTree(string(src))
	if duplicate := oracleFind(root, nil, soughtPlaces, found, map[string]bool{}); duplicate || err != nil {
		if !duplicate || !errors.Is(err, ErrDuplicate) {
			t.Fatalf("%q: got %v, duplicate %v", src, err, duplicate)
		}
		return
	}
	for i, span := range spans {
		if got := string(span.Of(src)); got != found[i] {
			t.Fatalf("%s\nat %s: got %q, want %q", src, soughtPaths[i], got, found[i])
		}
	}
}

func TestFindAgreesWithOracle(t *testing.T) {
	f := NewFinder(soughtPaths...)
	for seed := range uint64(5000) {
		d := newDice(seed)
		findAgainst(t, f, []byte(d.space()+d.object(3)+d.space()))
	}
}

func FuzzFind(f *testing.F) {
	finder := NewFinder(soughtPaths...)
	f.Add(readEvent(f))
	for seed := range uint64(40) {
		f.Add([]byte(newDice(seed).object(3)))
	}
	f.Fuzz(func(t *testing.T, src []byte) { findAgainst(t, finder, src) })
}

// FuzzFindEach holds one walk over a batch to the two steps it stands for: the
// elements by their brackets, then each by itself.
func FuzzFindEach(f *testing.F) {
	finder := NewFinder(soughtPaths...)
	f.Add([]byte(`[{"a":1},{"a":1,"a":2},{"b":{"a":"\x"}},{"a":}, {"c":["}"]},2,"]",null,{}]`))
	f.Add([]byte(`[{"a":1}{"a":2}]`))
	f.Add([]byte(`[` + strings.Repeat(`{"a":`, MaxDepth+1) + strings.Repeat(`}`, MaxDepth+1) + `]`))
	for seed := range uint64(40) {
		d := newDice(seed)
		f.Add([]byte("[" + d.object(3) + d.space() + "," + d.space() + d.object(2) + "]"))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		type element struct {
			text  string
			good  bool
			spans string
		}
		spans := make([]Span, len(soughtPaths))
		var want, got []element
		wantErr := eachElement(src, extentEnd, func(elem []byte) error {
			e := element{text: string(elem), good: finder.Find(elem, spans) == nil}
			if e.good {
				e.spans = fmt.Sprint(spans)
			}
			want = append(want, e)
			return nil
		})
		gotErr := finder.FindEach(src, spans, func(elem []byte, refused error) error {
			e := element{text: string(elem), good: refused == nil}
			if e.good {
				e.spans = fmt.Sprint(spans)
			}
			got = append(got, e)
			return nil
		})
		if !slices.Equal(got, want) || reasonOf(gotErr) != reasonOf(wantErr) {
			t.Fatalf("%q: got %v, %v; want %v, %v", src, got, gotErr, want, wantErr)
		}
	})
}

func TestFindDuplicates(t *testing.T) {
	f := NewFinder("context.consent.ad", "userId")
	duplicate := func(src string, want bool) {
		t.Helper()
		err := f.Find([]byte(src), make([]Span, 2))
		if errors.Is(err, ErrDuplicate) != want || (err != nil) != want {
			t.Errorf("%s: got %v, want a duplicate: %v", src, err, want)
		}
	}
	duplicate(`{"userId":1,"x":1,"x":2}`, false)
	duplicate(`{"userId":1,"\u0075serId":2}`, true)
	duplicate(`{"context":{"consent":{"ad":1}},"context":{}}`, true)
	duplicate(`{"context":1,"context":{"consent":{"ad":1}}}`, true)
	duplicate(`{"context":{"consent":{"ad":1,"ad":1}}}`, true)
	duplicate(`{"context":{"userId":1},"userId":1}`, false)
}

func TestNewFinderPanics(t *testing.T) {
	for _, paths := range [][]string{{""}, {"a."}, {"a[]"}, {"a.*"}, {"a", "a"}, make([]string, 70)} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%q: no panic", paths)
				}
			}()
			NewFinder(paths...)
		}()
	}
}
