package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"assent/consent"
)

// Pos is a place in the document; both count from 1.
type Pos struct{ Line, Column int }

// Problem is one thing wrong with a document and what to do about it.
type Problem struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Message string `json:"message"`
}

// String writes file:line:column: message, the form editors jump to.
func (p Problem) String() string {
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Message)
}

// Problems is every problem of a document in reading order; empty means none.
type Problems []Problem

// Error writes one problem a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Warnings is what a document says that stands but will disappoint: keys that have
// no effect yet, and topics that a broker may not tell apart.
func (d *Document) Warnings() Problems {
	ps := &problems{file: d.File}
	for _, p := range d.Purposes {
		for _, scheme := range sortedKeys(signalSchemes) {
			if len(p.Signals[scheme]) > 0 && !consent.Mapped(scheme) {
				ps.addf(p.at[scheme], "purpose %s: signals.%s has no effect yet: these signals are not read", p.Name, scheme)
			}
		}
		if p.AudienceMeasurement {
			ps.addf(p.at["audience_measurement"], "purpose %s: audience_measurement has no effect yet: the purpose is judged by its basis alone", p.Name)
		}
	}
	flat := map[string]string{}
	for _, r := range d.Recipients {
		// Kafka writes both as _ in the names of its metrics.
		key := strings.ReplaceAll(r.Topic, ".", "_")
		if other, taken := flat[key]; taken {
			ps.addf(r.atTopic(), "recipient %s: topic %q differs from %q only in . and _, which Kafka's metrics do not tell apart", r.ID, r.Topic, other)
		}
		flat[key] = r.Topic
	}
	return ps.sorted()
}

// maxProblems bounds the report: past it the document is not the one that was meant.
const maxProblems = 200

// problems gathers while a document is read, so that all of them are told at once.
type problems struct {
	file string
	list Problems
}

func (ps *problems) addf(at Pos, format string, args ...any) {
	if len(ps.list) < maxProblems {
		ps.list = append(ps.list, Problem{ps.file, at.Line, at.Column, fmt.Sprintf(format, args...)})
	}
}

// sorted returns the problems in reading order, without repeats.
func (ps *problems) sorted() Problems {
	slices.SortStableFunc(ps.list, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return slices.Compact(ps.list)
}

// DidYouMean ends a message about an unknown name with the nearest known one, as
// `; did you mean "name"?`. It is empty when none is near.
func DidYouMean(name string, known []string) string {
	best, least := "", len(name)/3+2
	for _, k := range known {
		if d := distance(strings.ToLower(name), strings.ToLower(k)); d < least {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// distance counts the single-byte insertions, removals and replacements between
// two names (Levenshtein).
func distance(a, b string) int {
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
