package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"assent/redact"
)

// Bounds of a document: size in bytes, nesting, entries of tables and lists, and
// values after aliases are followed. The reader of YAML recurses into nesting and
// takes the square of the time for entries, so both are bounded before it runs.
const (
	maxBytes   = 1 << 20
	maxDepth   = 32
	maxEntries = 10_000 // written as lines; as many again within brackets, tenfold
	maxNodes   = 100_000
)

type kind uint8

const (
	null kind = iota
	scalar
	list
	table
	broken // already told
)

func (k kind) String() string {
	return [...]string{"nothing", "a single value", "a list", "a table of keys", "broken"}[k]
}

// node is one YAML value with its place: all of YAML this package knows.
type node struct {
	kind  kind
	pos   Pos
	text  string // of a scalar
	plain bool   // a scalar without quotes: only these are numbers and truth values
	items []*node
	keys  []*node // of a table, beside items
	size  int     // values in it, itself included
}

// readTree reads one YAML document. It returns nil after a syntax error, of
// which the reader tells the first only.
func readTree(ps *problems, data []byte) (root *node) {
	if len(data) > maxBytes {
		ps.addf(Pos{1, 1}, "the file is larger than %d bytes: split or shorten it", maxBytes)
		return nil
	}
	defer func() {
		if recover() != nil { // the YAML reader is foreign code
			ps.addf(Pos{1, 1}, "this is not YAML that can be read")
			root = nil
		}
	}()
	tokens := lexer.Tokenize(strings.TrimPrefix(string(data), "\ufeff")) // a byte order mark is no content (YAML 1.2, 5.2)
	if at, why := excess(tokens); why != "" {
		ps.addf(at, "%s", why)
		return nil
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		at, why := Pos{1, 1}, "not readable as YAML"
		if se := (*yaml.SyntaxError)(nil); errors.As(err, &se) {
			why = se.Message
			if se.Token != nil && se.Token.Position != nil {
				at = Pos{se.Token.Position.Line, se.Token.Position.Column}
			}
		}
		ps.addf(at, "not valid YAML: %s", why)
		return nil
	}
	b := builder{ps: ps, anchors: map[string]*node{}}
	for _, d := range file.Docs {
		if d.Body == nil {
			continue
		}
		if root != nil {
			ps.addf(b.node(d.Body, 0).pos, "a second document in the file: keep one")
			return nil
		}
		root = b.node(d.Body, 0)
	}
	if root == nil {
		ps.addf(Pos{1, 1}, "the file is empty")
		return nil
	}
	if root.size > maxNodes {
		ps.addf(root.pos, "aliases make more than %d values of it: write less, or write it out", maxNodes)
		return nil
	}
	return root
}

// excess finds what is beyond the bounds in the flat list of tokens. Nesting
// shows as brackets, as marks within a line, or as columns of lines' beginnings.
func excess(tokens token.Tokens) (Pos, string) {
	flow, marks, line, entries, inFlow := 0, 0, 0, 0, 0
	var columns []int
	for _, t := range tokens {
		at := Pos{t.Position.Line, t.Position.Column}
		if at.Line != line {
			line, marks = at.Line, 0
			for len(columns) > 0 && columns[len(columns)-1] >= at.Column {
				columns = columns[:len(columns)-1]
			}
			columns = append(columns, at.Column)
		}
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			flow++
		case token.MappingEndType, token.SequenceEndType:
			flow--
		case token.SequenceEntryType, token.MappingKeyType, token.TagType, token.AnchorType, token.MappingValueType, token.CollectEntryType:
			if flow > 0 {
				inFlow++
				break
			}
			marks++
			entries++
		}
		if max(flow, marks, len(columns)) > maxDepth {
			return at, fmt.Sprintf("nested more than %d deep: a policy needs at most 5", maxDepth)
		}
		if entries > maxEntries || inFlow > 10*maxEntries {
			return at, "too many entries: write less"
		}
	}
	return Pos{}, ""
}

type builder struct {
	ps      *problems
	anchors map[string]*node
}

func position(n ast.Node) Pos {
	if t := n.GetToken(); t != nil && t.Position != nil {
		return Pos{t.Position.Line, t.Position.Column}
	}
	return Pos{1, 1}
}

// node turns the reader's tree into ours. A shared alias is one node reached by
// several ways; size counts it every time.
func (b *builder) node(n ast.Node, depth int) *node {
	out := &node{size: 1, pos: Pos{1, 1}}
	if n == nil {
		return out
	}
	out.pos = position(n)
	if depth > maxDepth {
		out.kind = broken
		b.ps.addf(out.pos, "nested more than %d deep", maxDepth)
		return out
	}
	switch v := n.(type) {
	case *ast.NullNode:
	case *ast.StringNode:
		out.kind, out.text = scalar, v.Value
		out.plain = v.Token.Type == token.StringType
	case *ast.LiteralNode:
		out.kind, out.text = scalar, strings.TrimRight(v.Value.Value, "\n")
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		out.kind, out.text, out.plain = scalar, n.GetToken().Value, true
	case *ast.MappingNode:
		out.kind = table
		if !v.IsFlowStyle && len(v.Values) > 0 {
			out.pos = position(v.Values[0].Key)
		}
		for _, e := range v.Values {
			b.entry(out, e, depth)
		}
	case *ast.MappingValueNode:
		out.kind, out.pos = table, position(v.Key)
		b.entry(out, v, depth)
	case *ast.SequenceNode:
		out.kind = list
		for _, e := range v.Values {
			b.add(out, b.node(e, depth+1))
		}
	case *ast.AnchorNode:
		out = b.node(v.Value, depth+1)
		b.anchors[v.Name.GetToken().Value] = out
	case *ast.AliasNode:
		name := v.Value.GetToken().Value
		if to := b.anchors[name]; to != nil {
			return to
		}
		out.kind = broken
		b.ps.addf(out.pos, "alias %q has no anchor above it", name)
	default:
		out.kind = broken
		b.ps.addf(out.pos, "%s is not used in a policy: write the value plainly", strings.ToLower(n.Type().String()))
	}
	return out
}

func (b *builder) add(to, item *node) {
	to.items = append(to.items, item)
	to.size = min(to.size+item.size, 2*maxNodes)
}

func (b *builder) entry(to *node, e *ast.MappingValueNode, depth int) {
	key := b.node(keyNode(e.Key), depth+1)
	if key.kind != scalar {
		if key.kind != broken {
			b.ps.addf(position(e.Key), "a key is %s: write a word", key.kind)
		}
		return
	}
	to.keys = append(to.keys, key)
	b.add(to, b.node(e.Value, depth+1))
}

func keyNode(k ast.MapKeyNode) ast.Node {
	if m, ok := k.(*ast.MappingKeyNode); ok {
		return m.Value
	}
	return k
}

// is reports a value of another kind than the one meant. An absent value and an
// empty one are the same mistake.
func (n *node) is(ps *problems, k kind, what string) bool {
	if n.kind == k {
		return true
	}
	if n.kind != broken {
		ps.addf(n.pos, "%s is %s: write %s", what, n.kind, k)
	}
	return false
}

// str reads text.
func (n *node) str(ps *problems, what string) string {
	if !n.is(ps, scalar, what) {
		return ""
	}
	if strings.TrimSpace(n.text) == "" {
		ps.addf(n.pos, "%s is empty: write it or leave the key out", what)
	}
	return n.text
}

// json writes a scalar as JSON: a plain number, truth value or null as it
// stands, all else as a string.
func (n *node) json() string {
	if n.plain && json.Valid([]byte(n.text)) {
		return n.text
	}
	return string(redact.AppendQuoted(nil, n.text))
}

// flag reads true or false.
func (n *node) flag(ps *problems, what string) bool {
	if n.kind == scalar && n.plain && (n.text == "true" || n.text == "false") {
		return n.text == "true"
	}
	if n.kind != broken {
		ps.addf(n.pos, "%s: write true or false", what)
	}
	return false
}

// number reads a whole number from low to high.
func (n *node) number(ps *problems, what string, low, high int) int {
	if n.kind == scalar && n.plain {
		if i, err := strconv.Atoi(n.text); err == nil && low <= i && i <= high {
			return i
		}
	}
	if n.kind != broken {
		ps.addf(n.pos, "%s: write a whole number from %d to %d", what, low, high)
	}
	return low
}

// each visits a list's items.
func (n *node) each(ps *problems, what string, f func(item *node)) {
	if !n.is(ps, list, what) {
		return
	}
	if len(n.items) == 0 {
		ps.addf(n.pos, "%s is an empty list: name at least one or leave the key out", what)
	}
	for _, i := range n.items {
		f(i)
	}
}

// entries visits a table's entries once each; a key that comes twice is told.
func (n *node) entries(ps *problems, what string, f func(key, value *node)) {
	if !n.is(ps, table, what) {
		return
	}
	seen := make(map[string]int, len(n.keys))
	for i, k := range n.keys {
		if line, twice := seen[k.text]; twice {
			ps.addf(k.pos, "%s: %q is already in line %d: keep one", what, k.text, line)
			continue
		}
		seen[k.text] = k.pos.Line
		f(k, n.items[i])
	}
}

// fields reads a table whose keys are known: a reader for each. required lists
// the keys that must be there.
func (n *node) fields(ps *problems, what string, readers map[string]func(*node), required ...string) {
	var known []string
	found := map[string]bool{}
	n.entries(ps, what, func(key, value *node) {
		found[key.text] = true
		if read := readers[key.text]; read != nil {
			read(value)
			return
		}
		if known == nil {
			known = sortedKeys(readers)
		}
		hint := DidYouMean(key.text, known)
		if hint == "" {
			hint = fmt.Sprintf("; known are %s", strings.Join(known, ", "))
		}
		ps.addf(key.pos, "%s: unknown key %q%s", what, key.text, hint)
	})
	if n.kind != table {
		return
	}
	for _, k := range required {
		if !found[k] {
			ps.addf(n.pos, "%s has no %s: add it", what, k)
		}
	}
}
