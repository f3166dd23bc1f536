package strictyaml

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Kind says what a value is.
type Kind uint8

const (
	Null Kind = iota
	Scalar
	List
	Table

	Tagged // the value below the tag is its item
	Alias  // without an anchor above it; Text is its name
	Merge  // the key <<
	Deep   // below maxDepth; what is in it was not read
	Other  // Text is what YAML calls it
)

func (k Kind) String() string {
	if k > Table {
		return "something else"
	}
	return [...]string{"nothing", "a single value", "a list", "a table of keys"}[k]
}

// Node is one value with its place. A value that aliases repeat is one Node,
// reached by several ways.
type Node struct {
	Kind  Kind
	Pos   Pos
	Text  string // of a scalar, without quotes
	Plain bool   // a scalar without quotes: only these are numbers and truth values
	Items []*Node
	Keys  []*Node // of a table, beside Items
	Size  int     // values in it, itself included, counted as often as aliases repeat them
}

// maxDepth bounds nesting, maxSize the count of a node's values.
const (
	maxDepth = 32
	maxSize  = 1 << 30
)

// Parse reads documents of YAML; those that are empty are left out. repeats lets a
// key of a table come twice, for Entries to report. Of syntax errors the problem is
// the first, without an excerpt: a document may hold what belongs in no log.
func Parse(data []byte, repeats bool) (docs []*Node, wrong *Problem) {
	defer func() {
		if recover() != nil { // the YAML reader is foreign code
			docs, wrong = nil, &Problem{Line: 1, Column: 1, Message: "it cannot be read"}
		}
	}()
	var options []parser.Option
	if repeats {
		options = append(options, parser.AllowDuplicateMapKey())
	}
	file, err := parser.Parse(tokens(data), 0, options...)
	if err != nil {
		at, why := Pos{1, 1}, "it cannot be read"
		var y yaml.Error
		if errors.As(err, &y) {
			at, why = place(y.GetToken()), y.GetMessage()
		}
		return nil, &Problem{Line: at.Line, Column: at.Column, Message: why}
	}
	b := builder{anchors: map[string]*Node{}}
	for _, d := range file.Docs {
		if d.Body != nil {
			docs = append(docs, b.node(d.Body, 0))
		}
	}
	return docs, nil
}

func tokens(data []byte) token.Tokens {
	return lexer.Tokenize(strings.TrimPrefix(string(data), "\ufeff")) // a byte order mark is no content (YAML 1.2, 5.2)
}

func place(t *token.Token) Pos {
	if t == nil || t.Position == nil {
		return Pos{1, 1}
	}
	return Pos{t.Position.Line, t.Position.Column}
}

type builder struct{ anchors map[string]*Node }

func (b *builder) node(n ast.Node, depth int) *Node {
	out := &Node{Size: 1, Pos: Pos{1, 1}}
	if n == nil {
		return out
	}
	out.Pos = place(n.GetToken())
	if depth > maxDepth {
		out.Kind = Deep
		return out
	}
	switch v := n.(type) {
	case *ast.NullNode:
	case *ast.StringNode:
		out.Kind, out.Text = Scalar, v.Value
		out.Plain = v.Token.Type == token.StringType
	case *ast.LiteralNode:
		out.Kind, out.Text = Scalar, strings.TrimRight(v.Value.Value, "\n")
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		out.Kind, out.Text, out.Plain = Scalar, n.GetToken().Value, true
	case *ast.MappingNode:
		out.Kind = Table
		if !v.IsFlowStyle && len(v.Values) > 0 {
			out.Pos = place(v.Values[0].Key.GetToken())
		}
		for _, e := range v.Values {
			b.entry(out, e, depth)
		}
	case *ast.MappingValueNode:
		out.Kind, out.Pos = Table, place(v.Key.GetToken())
		b.entry(out, v, depth)
	case *ast.SequenceNode:
		out.Kind = List
		for _, e := range v.Values {
			out.add(b.node(e, depth+1))
		}
	case *ast.AnchorNode:
		out = b.node(v.Value, depth+1)
		b.anchors[v.Name.GetToken().Value] = out
	case *ast.AliasNode:
		out.Kind, out.Text = Alias, v.Value.GetToken().Value
		if to := b.anchors[out.Text]; to != nil {
			return to
		}
	case *ast.MergeKeyNode:
		out.Kind, out.Text = Merge, "<<"
	case *ast.TagNode:
		out.Kind = Tagged
		out.add(b.node(v.Value, depth+1))
	default:
		out.Kind, out.Text = Other, strings.ToLower(n.Type().String())
	}
	return out
}

func (n *Node) add(item *Node) {
	n.Items = append(n.Items, item)
	n.Size = min(n.Size+item.Size, maxSize)
}

func (b *builder) entry(to *Node, e *ast.MappingValueNode, depth int) {
	var key ast.Node = e.Key
	if k, ok := key.(*ast.MappingKeyNode); ok {
		key = k.Value
	}
	to.Keys = append(to.Keys, b.node(key, depth+1))
	to.add(b.node(e.Value, depth+1))
}

// At is the value at a path such as $.sources[0].kind; nil: there is none.
func (n *Node) At(path string) *Node {
	for _, part := range strings.FieldsFunc(path, func(r rune) bool { return strings.ContainsRune("$.[]", r) }) {
		for n != nil && n.Kind == Tagged {
			n = n.Items[0]
		}
		if n == nil {
			return nil
		}
		i, err := strconv.Atoi(part)
		if n.Kind == Table {
			i = slices.IndexFunc(n.Keys, func(k *Node) bool { return k.Text == part })
		} else if err != nil {
			return nil
		}
		if i < 0 || i >= len(n.Items) {
			return nil
		}
		n = n.Items[i]
	}
	return n
}

// Bounds of Excess: nested tables and lists, and entries of all of them, written as
// lines; as many again within brackets, tenfold.
const maxEntries = 10_000

// ErrDeep is nesting beyond reason.
var ErrDeep = fmt.Errorf("nested more than %d deep", maxDepth)

var errMany = errors.New("too many entries: write less")

// Excess finds what no honest document holds, and where; nil: nothing. The reader
// of YAML recurses into nesting and takes the square of the time for entries, so
// documents of strangers are looked at before they are parsed. Nesting shows as
// brackets, as marks within a line, or as columns of lines' beginnings.
func Excess(data []byte) (Pos, error) {
	defer func() { _ = recover() }() // the YAML reader is foreign code: Parse will report it
	flow, marks, line, entries, inFlow := 0, 0, 0, 0, 0
	var columns []int
	for _, t := range tokens(data) {
		at := place(t)
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
			return at, ErrDeep
		}
		if entries > maxEntries || inFlow > 10*maxEntries {
			return at, errMany
		}
	}
	return Pos{}, nil
}
