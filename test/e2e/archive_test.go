package e2e

import (
	"os"
	"strings"
	"testing"
)

// archive is a text file of parts in txtar form: a comment, then parts behind
// lines `-- NAME --`.
type archive struct {
	comment string
	parts   []part
}

type part struct{ name, text string }

func readArchive(t *testing.T, path string) *archive {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	a := &archive{}
	text := &a.comment
	for l := range strings.Lines(string(raw)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(l), "-- "); ok && strings.HasSuffix(name, " --") {
			a.parts = append(a.parts, part{name: strings.TrimSuffix(name, " --")})
			text = &a.parts[len(a.parts)-1].text
			continue
		}
		*text += l
	}
	return a
}

func (a *archive) String() string {
	var b strings.Builder
	b.WriteString(a.comment)
	for _, p := range a.parts {
		b.WriteString("-- " + p.name + " --\n" + p.text)
	}
	return b.String()
}
