package policy

import (
	"errors"
	"slices"
	"strings"

	"assent/geo"
	"assent/names"
	"assent/strictyaml"
)

// Bounds of a document: size in bytes, and values after aliases are followed.
const (
	maxBytes = 1 << 20
	maxNodes = 100_000
)

// start is the place of what a document lacks as a whole.
var start = strictyaml.Pos{Line: 1, Column: 1}

// readTree reads the one document of a file and reports what no policy uses. It
// returns nil if there is nothing to read on with.
func readTree(ps *strictyaml.Report, data []byte) *strictyaml.Node {
	if len(data) > maxBytes {
		ps.Addf(start, "the file is larger than %d bytes: split or shorten it", maxBytes)
		return nil
	}
	switch at, err := strictyaml.Excess(data); {
	case errors.Is(err, strictyaml.ErrDeep):
		ps.Addf(at, "%v: a policy needs at most 5", err)
		return nil
	case err != nil:
		ps.Addf(at, "%v", err)
		return nil
	}
	docs, wrong := strictyaml.Parse(data, true)
	switch {
	case wrong != nil:
		ps.Addf(strictyaml.Pos{Line: wrong.Line, Column: wrong.Column}, "not valid YAML: %s", wrong.Message)
		return nil
	case len(docs) == 0:
		ps.Addf(start, "the file is empty")
		return nil
	case len(docs) > 1:
		ps.Addf(docs[1].Pos, "a second document in the file: keep one")
		return nil
	}
	root := docs[0]
	reportUnused(ps, root, map[*strictyaml.Node]bool{})
	if root.Size > maxNodes {
		ps.Addf(root.Pos, "aliases make more than %d values of it: write less, or write it out", maxNodes)
		return nil
	}
	return root
}

// reportUnused reports the values that a policy has no use for, wherever they are.
func reportUnused(ps *strictyaml.Report, n *strictyaml.Node, seen map[*strictyaml.Node]bool) {
	if seen[n] {
		return
	}
	seen[n] = true
	switch n.Kind {
	case strictyaml.Deep:
		ps.Addf(n.Pos, "%v", strictyaml.ErrDeep)
	case strictyaml.Alias:
		ps.Addf(n.Pos, "alias %q has no anchor above it", n.Text)
	case strictyaml.Tagged:
		ps.Addf(n.Pos, "tag is not used in a policy: write the value plainly")
	case strictyaml.Merge:
		ps.Addf(n.Pos, "mergekey is not used in a policy: write the value plainly")
	case strictyaml.Other:
		ps.Addf(n.Pos, "%s is not used in a policy: write the value plainly", n.Text)
	case strictyaml.List, strictyaml.Table:
		for i, item := range n.Items {
			if n.Kind == strictyaml.Table && !scalarKey(ps, n.Keys[i], seen) {
				continue
			}
			reportUnused(ps, item, seen)
		}
	}
}

// scalarKey reports whether a key is a word, and reports if it is not.
func scalarKey(ps *strictyaml.Report, key *strictyaml.Node, seen map[*strictyaml.Node]bool) bool {
	reportUnused(ps, key, seen)
	if key.Kind <= strictyaml.Table && key.Kind != strictyaml.Scalar {
		ps.Addf(key.Pos, "a key is %s: write a word", key.Kind)
	}
	return key.Kind == strictyaml.Scalar
}

// reader fills a Document from a tree. Every method reads on after a mistake.
type reader struct {
	*strictyaml.Report
	doc *Document
	at  map[string]strictyaml.Pos // the document's own keys
}

func (r *reader) oneOf(n *strictyaml.Node, what string, known []string) string {
	text := n.Str(r.Report, what)
	if text != "" && !slices.Contains(known, text) {
		r.Addf(n.Pos, "%s: %q is none of %s%s", what, text, strings.Join(known, ", "), strictyaml.DidYouMean(text, known))
	}
	return text
}

// label reads text that goes into a record's headers or a metric's labels.
func (r *reader) label(n *strictyaml.Node, what string) string {
	text := n.Str(r.Report, what)
	if err := names.Label(text); text != "" && err != nil {
		r.Addf(n.Pos, "%s: %q %v", what, text, err)
	}
	return text
}

// identifier reports a key that cannot name a purpose, a recipient or a ring of keys.
func (r *reader) identifier(n *strictyaml.Node, what string) {
	if err := names.Identifier(n.Text); err != nil {
		r.Addf(n.Pos, "%s %q: %v", what, n.Text, err)
	}
}

// place reads a country or subdivision code and answers with its usual form.
func (r *reader) place(n *strictyaml.Node, what string) string {
	text := n.Str(r.Report, what)
	if text == "" {
		return ""
	}
	j, err := geo.Parse(text)
	if err == nil && j.Known() {
		return j.String()
	}
	why := "no such place"
	if err != nil {
		why = err.Error()
	}
	hint := ""
	if strings.EqualFold(text, "EU") {
		hint = "; name the member state, such as FR"
	}
	r.Addf(n.Pos, "%s: %q: %s: write an ISO 3166 code such as FR or US-CA%s", what, text, why, hint)
	return ""
}
