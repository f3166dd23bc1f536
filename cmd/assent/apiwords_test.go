package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"assent/collector"
	"assent/consent"
	"assent/redact"
)

// words are those that a closed set of numbers has names for. Past its end a set answers
// with nothing, or with the name that it has for what it does not know.
func words[T ~uint8](first T, name func(T) string) (all []string) {
	for i := int(first); i < 256; i++ {
		if w := name(T(i)); w != "" && !slices.Contains(all, w) {
			all = append(all, w)
		}
	}
	return all
}

// TestAPIWords: docs/openapi.yaml, and docs/api.md where it has a table, list each word
// of the sets from which answers are made, and no other.
func TestAPIWords(t *testing.T) {
	a := readAPI(t, "openapi.yaml")
	f := func(schema string, want []string) {
		t.Helper()
		compare(t, "docs/openapi.yaml, "+schema, a.enum(schema), want)
	}
	why := words(0, consent.Reason.String)
	for _, w := range words(0, consent.Basis.String) {
		if basis, _ := consent.ParseBasis(w); !basis.Chooses() {
			why = append(why, w)
		}
	}
	f("Why", why)
	f("Basis", words(0, consent.Basis.String))
	f("Status", words(0, consent.Status.String))
	f("Method", words(0, consent.Method.String))
	f("Signal", words(0, consent.Scheme.String))

	// Which reasons are of a whole request, the statuses of docs/api.md say.
	var reasons []string
	for _, r := range redact.Reasons() {
		reasons = append(reasons, r.String())
	}
	for _, r := range collector.AllReasons {
		reasons = append(reasons, string(r))
	}
	listed := a.enum("EventReason")
	for _, w := range a.enum("Problem/properties/type") {
		listed = append(listed, strings.TrimPrefix(w, "urn:assent:problem:"))
	}
	compare(t, "docs/openapi.yaml, EventReason and Problem", listed, reasons)

	page, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "| `why` | says |\n|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	listed = nil
	for line := range strings.Lines(table) {
		for _, m := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(strings.Split(line, "|")[1], -1) {
			listed = append(listed, m[1])
		}
	}
	compare(t, "docs/api.md, why", listed, why)
}

// enum is the list of words of a schema.
func (a *api) enum(schema string) (list []string) {
	values, _ := a.at("/components/schemas/" + schema + "/enum").([]any)
	for _, v := range values {
		list = append(list, fmt.Sprint(v))
	}
	return list
}

func compare(t *testing.T, where string, listed, want []string) {
	t.Helper()
	for _, w := range want {
		if !slices.Contains(listed, w) {
			t.Errorf("%s: %s is missing", where, w)
		}
	}
	for _, w := range listed {
		if !slices.Contains(want, w) {
			t.Errorf("%s: %s is in no set of the program", where, w)
		}
	}
}
