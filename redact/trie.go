package redact

import (
	"bytes"
	"errors"
	"math/bits"
	"slices"
)

// MaxName bounds the bytes of one name in a path.
const MaxName = 256

// node is one place that paths lead to or through. A name leads to a child,
// "[]" to elements, "*" to open.
type node struct {
	rule *rule // judges a scalar, or an array of scalars, found here
	open *rule // judges all of an object found here
	elem *node // the elements of an array found here

	table []entry // children by name: open addressing, a power of two long
	mul   uint64
	shift uint8

	kids   []*node // the same children, first those with offers, in their order
	name   string  // the key that leads here, as JSON
	id     int     // numbers the nodes of one trie from 0
	mark   int     // 1 + index of the offer or the sought path that ends here; 0: none
	offers uint32  // offers that end here or below
}

type entry struct {
	a, b uint64 // words(name)
	node *node  // nil: the slot is free
	name string
}

// noTable is the table of a node without children: there is always a slot.
var noTable [1]entry

// words folds a name into two words: its first eight bytes, and its last eight
// or, of a short name, its length. Up to sixteen bytes they and the length are
// the name.
func words(name []byte) (a, b uint64) {
	n := len(name)
	if n >= 8 {
		return load(name, 0), load(name, n-8)
	}
	for i, c := range name {
		a |= uint64(c) << (8 * i)
	}
	return a, uint64(n)
}

func slot(a, b, mul uint64, shift uint8) uint64 {
	return (a ^ bits.RotateLeft64(b, 23)) * mul >> (shift & 63)
}

// first returns the slot where a key with these words would stand first.
func (n *node) first(a, b uint64) *entry {
	return &n.table[slot(a, b, n.mul, n.shift)&uint64(len(n.table)-1)]
}

// is tells whether the slot holds the key of these words and this length, as
// far as words alone can tell.
func (e *entry) is(a, b uint64, length int) bool {
	return e.a == a && e.b == b && len(e.name) == length && length <= 16
}

// child returns the node that the key leads to, nil for none. a and b are its
// words. The first slot nearly always answers; the scanning loops ask it
// themselves.
func (n *node) child(key []byte, a, b uint64) *node {
	if e := n.first(a, b); e.is(a, b, len(key)) {
		return e.node
	}
	return n.probe(key, a, b)
}

// probe is child for long names, for names whose slot was taken, and for the
// undeclared.
func (n *node) probe(key []byte, a, b uint64) *node {
	t := n.table
	for h := slot(a, b, n.mul, n.shift); ; h++ {
		e := &t[h&uint64(len(t)-1)]
		if e.node == nil || e.a == a && e.b == b && e.name == string(key) {
			return e.node
		}
	}
}

// childEscaped is child for the inside of a key that holds an escape.
func (n *node) childEscaped(text []byte) *node {
	var buf [MaxName + 4]byte
	name := buf[:0]
	for len(text) > 0 && len(name) <= MaxName {
		i := bytes.IndexByte(text, '\\')
		switch {
		case i == 0:
			_, size := unescapeOne(text)
			name = unescape(name, text[:size])
			text = text[size:]
		case i < 0:
			i = len(text)
			fallthrough
		default:
			if len(name)+i > MaxName {
				return nil
			}
			name = append(name, text[:i]...)
			text = text[i:]
		}
	}
	if len(name) > MaxName {
		return nil
	}
	a, b := words(name)
	return n.child(name, a, b)
}

// index builds the tables of a finished trie. A multiplier without collisions
// is looked for and nearly always found; probing keeps the rest correct.
func (n *node) index() {
	if n.elem != nil {
		n.elem.index()
	}
	entries := n.table
	if len(entries) == 0 {
		n.table = noTable[:]
		return
	}
	width := bits.Len(uint(4*len(entries) - 1))
	n.shift = uint8(64 - width)
	best := len(entries) + 1
	for seed := uint64(1); seed <= 256 && best > 0; seed++ {
		mul := seed*0x9E3779B97F4A7C15 | 1
		table := make([]entry, 1<<width)
		collisions := 0
		for _, e := range entries {
			h := slot(e.a, e.b, mul, n.shift)
			for table[h&uint64(len(table)-1)].node != nil {
				h++
				collisions++
			}
			table[h&uint64(len(table)-1)] = e
		}
		if collisions < best {
			best, n.mul, n.table = collisions, mul, table
		}
	}
	slices.SortStableFunc(n.kids, func(a, b *node) int {
		return bits.TrailingZeros32(a.offers) - bits.TrailingZeros32(b.offers)
	})
	for _, kid := range n.kids {
		kid.index()
	}
}

// step is one part of a path: a name, the elements of an array, or everything.
type step struct {
	kind byte // 'n', '[' or '*'
	name string
}

// parsePath reads the grammar given at Rule.Path.
func parsePath(path string) ([]step, error) {
	var steps []step
	for i := 0; ; i++ {
		if path[i:] == "*" {
			return append(steps, step{kind: '*'}), nil
		}
		var name []byte
		for ; i < len(path) && path[i] != '.' && path[i] != '['; i++ {
			switch path[i] {
			case '\\':
				if i++; i == len(path) {
					return nil, errors.New("path ends in a backslash")
				}
			case '*':
				return nil, errors.New(`"*" stands for all of an object and only at the end; escape it in a name`)
			case ']':
				return nil, errors.New(`"]" without "["; escape it in a name`)
			}
			name = append(name, path[i])
		}
		switch {
		case len(name) == 0:
			return nil, errors.New("path has an empty name")
		case len(name) > MaxName:
			return nil, errors.New("path has a name longer than 256 bytes")
		}
		steps = append(steps, step{'n', string(name)})
		for ; i < len(path) && path[i] == '['; i += 2 {
			if i+1 == len(path) || path[i+1] != ']' {
				return nil, errors.New(`"[" without "]"; escape it in a name`)
			}
			steps = append(steps, step{kind: '['})
		}
		if i == len(path) {
			if len(steps) > MaxDepth {
				return nil, errors.New("path is deeper than any event may be")
			}
			return steps, nil
		}
		if path[i] != '.' {
			return nil, errors.New(`"[]" must be followed by a dot or the end`)
		}
	}
}

// trie grows one from paths.
type trie struct {
	root  *node
	nodes int
}

// reach returns the node the steps lead to, growing what is missing. A last
// "*" is left to the caller.
func (t *trie) reach(steps []step) *node {
	if t.root == nil {
		t.root, t.nodes = new(node), 1
	}
	n := t.root
	for _, s := range steps {
		switch s.kind {
		case 'n':
			n = t.named(n, s.name)
		case '[':
			if n.elem == nil {
				n.elem = &node{id: t.nodes}
				t.nodes++
			}
			n = n.elem
		}
	}
	return n
}

// named finds or adds a child; until index is called, table is a plain list.
func (t *trie) named(n *node, name string) *node {
	if kid := n.kid(name); kid != nil {
		return kid
	}
	kid := &node{id: t.nodes, name: string(AppendQuoted(nil, name))}
	t.nodes++
	a, b := words([]byte(name))
	n.table = append(n.table, entry{a, b, kid, name})
	n.kids = append(n.kids, kid)
	return kid
}

// kid finds a child while the trie grows.
func (n *node) kid(name string) *node {
	for _, e := range n.table {
		if e.name == name {
			return e.node
		}
	}
	return nil
}
