package strictyaml

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Pos is a place in the document; both count from 1.
type Pos struct{ Line, Column int }

// Problem is one thing wrong with a document and what to do about it.
type Problem struct {
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"` // 0: the document does not hold what is wrong
	Column  int    `json:"column,omitempty"`
	Path    string `json:"path,omitempty"` // such as $.sources[0].kind; empty where Message names it
	Message string `json:"message"`
}

// String writes file:line:column: path: message, the form editors jump to.
func (p Problem) String() string {
	at := p.Path
	if at != "" {
		at += ": "
	}
	if p.Line == 0 {
		return strings.TrimPrefix(at, "$.") + p.Message
	}
	return fmt.Sprintf("%s:%d:%d: %s%s", p.File, p.Line, p.Column, at, p.Message)
}

// Problems is every problem of a document; empty means none.
type Problems []Problem

// Error writes one problem a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// maxProblems bounds a report: past it the document is not the one that was meant.
const maxProblems = 200

// Report gathers while a document is read, so that all its problems are reported at once.
type Report struct {
	File string
	List Problems
}

// Addf adds a problem at a place.
func (r *Report) Addf(at Pos, format string, args ...any) { r.AddAt(at, "", format, args...) }

// AddAt adds a problem at a place and a path.
func (r *Report) AddAt(at Pos, path, format string, args ...any) {
	if len(r.List) < maxProblems {
		r.List = append(r.List, Problem{r.File, at.Line, at.Column, path, fmt.Sprintf(format, args...)})
	}
}

// Sorted returns the problems in reading order, without repeats.
func (r *Report) Sorted() Problems {
	slices.SortStableFunc(r.List, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return slices.Compact(r.List)
}

// DidYouMean ends a message about an unknown name with the nearest known one, as
// `; did you mean "name"?`. It is empty when none is near.
func DidYouMean(name string, known []string) string {
	best, least := "", len(name)/3+2
	for _, k := range known {
		if d := Distance(strings.ToLower(name), strings.ToLower(k)); d < least {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// Distance counts the single-byte insertions, removals and replacements between
// two names (Levenshtein).
func Distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
