package signals

import (
	goflag "flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"assent/consent"
)

var update = goflag.Bool("update", false, "rewrite golden files")

// TestPlacesAreDocumented holds the table of docs/signals.md to the one of the code.
func TestPlacesAreDocumented(t *testing.T) {
	const file, from, to = "../../docs/signals.md", "<!-- places -->\n", "\nAn empty value counts"
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(raw), from)
	if !ok {
		t.Fatalf("%s has no %q", file, from)
	}
	got, after, _ := strings.Cut(rest, to)
	var b strings.Builder
	b.WriteString("| scheme | header | cookie | query | in the event | a policy maps |\n|---|---|---|---|---|---|\n")
	for k := consent.NoScheme + 1; k < consent.Schemes; k++ {
		var cells [4][]string
		for _, p := range table {
			if p.Scheme == k {
				_, name, _ := strings.Cut(p.String(), " ")
				cells[p.In] = append(cells[p.In], "`"+name+"`")
			}
		}
		fmt.Fprintf(&b, "| `%s` |", k)
		for _, c := range cells {
			slices.Sort(c)
			if len(c) == 0 {
				c = []string{"–"}
			}
			fmt.Fprintf(&b, " %s |", strings.Join(c, ", "))
		}
		words := k.Words()
		if words == "" {
			words = "nothing: a universal opt-out"
		}
		fmt.Fprintf(&b, " %s |\n", words)
	}
	if got == b.String() {
		return
	}
	if !*update {
		t.Errorf("%s: the table of places is another one: go test ./consent/signals -update", file)
		return
	}
	if err := os.WriteFile(file, []byte(before+from+b.String()+to+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
