package policy

import (
	"fmt"
	"strings"
	"testing"

	"assent/strictyaml"
)

// manyPurposes is a document of n purposes with long names.
func manyPurposes(n int, basis string) []byte {
	var b strings.Builder
	b.WriteString("policy: p\nversion: 1\ncontroller: {name: Example Shop Ltd}\npurposes:\n")
	var names []string
	for i := range n {
		name := fmt.Sprintf("purpose_%02d_%s", i, strings.Repeat("x", 40))
		names = append(names, name)
		fmt.Fprintf(&b, "  %s: {title: T, basis: %s}\n", name, basis)
	}
	all := strings.Join(names, ", ")
	fmt.Fprintf(&b, "recipients: {r: {topic: events, purposes: [%s]}}\ndefaults: {events: [%s]}\nfields: {type: {purposes: [%s], category: event, why: W}}\n", all, all, all)
	return []byte(b.String())
}

// TestCookieFits: a policy whose choice cookie a browser might not keep is refused,
// with by how much; what is not the person's to choose takes no room in it.
func TestCookieFits(t *testing.T) {
	compile := func(n int, basis string) strictyaml.Problems {
		t.Helper()
		doc, wrong := Parse("p.yaml", manyPurposes(n, basis))
		if len(wrong) > 0 {
			t.Fatal(wrong)
		}
		_, wrong = Compile(doc, Options{})
		return wrong
	}
	if wrong := compile(20, "consent"); len(wrong) > 0 {
		t.Errorf("20 purposes: %v", wrong)
	}
	if wrong := compile(50, "contract"); len(wrong) > 0 {
		t.Errorf("50 that are nobody's choice: %v", wrong)
	}
	wrong := compile(50, "consent")
	if len(wrong) != 1 || !strings.Contains(wrong[0].Message, "bytes more than the 3500 that every browser keeps") || wrong[0].Line != 5 {
		t.Errorf("50 purposes: %v", wrong)
	}
}
