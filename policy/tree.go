package policy

import (
	"encoding/json"
	"errors"

	"assent/redact"
	"assent/strictyaml"
)

// Bounds of a document: size in bytes, and values after aliases are followed.
const (
	maxBytes = 1 << 20
	maxNodes = 100_000
)

// start is the place of what a document lacks as a whole.
var start = strictyaml.Pos{Line: 1, Column: 1}

// readTree reads the one document of a file and tells what no policy uses. It
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
	tellUnused(ps, root, map[*strictyaml.Node]bool{})
	if root.Size > maxNodes {
		ps.Addf(root.Pos, "aliases make more than %d values of it: write less, or write it out", maxNodes)
		return nil
	}
	return root
}

// tellUnused tells the values that a policy has no use for, wherever they are.
func tellUnused(ps *strictyaml.Report, n *strictyaml.Node, told map[*strictyaml.Node]bool) {
	if told[n] {
		return
	}
	told[n] = true
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
			if n.Kind == strictyaml.Table && !scalarKey(ps, n.Keys[i], told) {
				continue
			}
			tellUnused(ps, item, told)
		}
	}
}

// scalarKey reports whether a key is a word, and tells if it is not.
func scalarKey(ps *strictyaml.Report, key *strictyaml.Node, told map[*strictyaml.Node]bool) bool {
	tellUnused(ps, key, told)
	if key.Kind <= strictyaml.Table && key.Kind != strictyaml.Scalar {
		ps.Addf(key.Pos, "a key is %s: write a word", key.Kind)
	}
	return key.Kind == strictyaml.Scalar
}

// jsonOf writes a scalar as JSON: a plain number, truth value or null as it
// stands, all else as a string.
func jsonOf(n *strictyaml.Node) string {
	if n.Plain && json.Valid([]byte(n.Text)) {
		return n.Text
	}
	return string(redact.AppendQuoted(nil, n.Text))
}
