package cmp

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A Form declares how the values of a consent manager are read, without code: what they
// are packed in, and where in them the words stand.
//
// A path is member names joined by dots. A name may be *, any member; of names that end
// in *, any that begins so. The member that a * stands for is the word.
type Form struct {
	// Decode is what is taken off, in this order: "url" (percent-encoding, once, as
	// decodeURIComponent does), "base64" (either alphabet, padded or not).
	Decode []string
	// Pairs are what stands between entries and between key and value; both empty: the
	// value is JSON. A key is a path, its dots are the path's.
	Pairs [2]string
	Rules []Rule
	// Granted and Denied are the values of words; default: true and false. A word with any
	// other value is not set.
	Granted, Denied []string
	// Ignore are paths that a * does not stand for.
	Ignore []string
	// Made and Expires are paths of a time: RFC 3339, or seconds or milliseconds since
	// 1970. One that is there and is no time makes the value unreadable.
	Made, Expires string
	// Chosen is a path, or path=value: without it, or with null, false or nothing there,
	// nobody has chosen. Empty: that the value is there is a choice.
	Chosen string
	// Show are paths of what AppendJSON shows beside words, under its own name in
	// snake_case. One that ends in ? is shown as true if it is there: identifiers.
	Show []string
}

// A Rule says where words stand.
type Rule struct {
	// Path of a word's value. If it ends in [], of an array of words.
	Path string
	// Of names the list (Word.Of); default "words".
	Of string
	// Said is what is said of each word of an array.
	Said Said
}

// Compiled is a Form that can read. It does not change.
type Compiled struct {
	steps           []func([]byte) ([]byte, error)
	pairs           [2]string
	root            node
	granted, denied []string
	chosen          string // the value that Chosen asks for
	asks            bool   // Chosen is not empty
	lists           []string
}

// node is a place in a value.
type node struct {
	name  string // ends in *: any member that begins so
	below []*node
	bit   uint64 // this node's in the set of those seen
	under uint64 // those of all nodes below

	ignored, value, list, made, expires, chosen bool

	of     string // of value and list
	said   Said   // of list
	show   string // the field's name
	hidden bool   // shown as true
}

// Compile checks a Form.
func Compile(f Form) (*Compiled, error) {
	c := &Compiled{pairs: f.Pairs, granted: f.Granted, denied: f.Denied}
	if len(c.granted) == 0 {
		c.granted = []string{"true"}
	}
	if len(c.denied) == 0 {
		c.denied = []string{"false"}
	}
	for _, step := range f.Decode {
		switch step {
		case "url":
			c.steps = append(c.steps, func(text []byte) ([]byte, error) { return unescape(text, false) })
		case "base64":
			c.steps = append(c.steps, unbase64)
		default:
			return nil, fmt.Errorf("decode: %q is neither url nor base64", step)
		}
	}
	if (f.Pairs[0] == "") != (f.Pairs[1] == "") || f.Pairs[0] == f.Pairs[1] && f.Pairs[0] != "" {
		return nil, errors.New("pairs: two different separators, or none")
	}
	if len(f.Rules) == 0 {
		return nil, errors.New("rules: none, so that no word is ever read")
	}
	if len(f.Show) > maxFields {
		return nil, fmt.Errorf("show: %d paths, %d are the most", len(f.Show), maxFields)
	}
	p := &planner{c: c}
	for _, r := range f.Rules {
		p.rule(r)
	}
	for _, path := range f.Ignore {
		p.at(path).ignored = true
	}
	p.single(f.Made, func(n *node) { n.made = true })
	p.single(f.Expires, func(n *node) { n.expires = true })
	path, value, _ := strings.Cut(f.Chosen, "=")
	c.chosen, c.asks = value, path != ""
	p.single(path, func(n *node) { n.chosen = true })
	for _, path := range f.Show {
		path, hidden := strings.CutSuffix(path, "?")
		p.single(path, func(n *node) { n.show, n.hidden = snake(n.name), hidden })
	}
	return c, p.err
}

// single marks the node of a path that can come once; no path: none.
func (p *planner) single(path string, mark func(*node)) {
	if path == "" {
		return
	}
	if strings.Contains(path, "*") {
		p.err = fmt.Errorf("path %q: only rules and what is ignored may have a *", path)
	}
	mark(p.at(path))
}

// planner builds the tree of a Form's paths.
type planner struct {
	c     *Compiled
	nodes int
	err   error
}

// at is the node of a path, made if it is not there.
func (p *planner) at(path string) *node {
	var way []*node
	n := &p.c.root
	for name := range strings.SplitSeq(path, ".") {
		if name == "" || strings.Contains(strings.TrimSuffix(name, "*"), "*") {
			p.err = fmt.Errorf("path %q: names, joined by dots, with * only at the end of one", path)
		}
		way = append(way, n)
		n = n.add(name)
		if n.bit == 0 {
			if p.nodes++; p.nodes > 64 {
				p.err = errors.New("more than 64 places")
			}
			n.bit = 1 << (p.nodes - 1)
		}
		for _, above := range way {
			above.under |= n.bit
		}
	}
	return n
}

// add is a member. Whole names come first, then the longest before a *: the first that
// fits holds.
func (n *node) add(name string) *node {
	for _, b := range n.below {
		if b.name == name {
			return b
		}
	}
	b := &node{name: name}
	n.below = append(n.below, b)
	slices.SortStableFunc(n.below, func(a, b *node) int {
		if a.open() != b.open() {
			return strings.Count(a.name, "*") - strings.Count(b.name, "*")
		}
		return len(b.name) - len(a.name)
	})
	return b
}

func (p *planner) rule(r Rule) {
	path, list := strings.CutSuffix(r.Path, "[]")
	n := p.at(path)
	if r.Of == "" {
		r.Of = "words"
	}
	if list && r.Said == Unset {
		p.err = fmt.Errorf("rule %q: an array of words that are granted, or denied", r.Path)
	}
	n.of, n.value, n.list, n.said = r.Of, !list, list, r.Said
	if !slices.Contains(p.c.lists, r.Of) {
		p.c.lists = append(p.c.lists, r.Of)
	}
}

// snake writes a member's name as JSON of this house does.
func snake(name string) string {
	var b strings.Builder
	for _, c := range strings.TrimLeft(name, "$_") {
		if 'A' <= c && c <= 'Z' {
			b.WriteByte('_')
			c += 'a' - 'A'
		}
		b.WriteRune(c)
	}
	return b.String()
}

// member is the node of a member; nil: nothing is known of it.
func (n *node) member(name []byte) *node {
	for _, b := range n.below {
		if start, open := strings.CutSuffix(b.name, "*"); open {
			if len(name) < len(start) || string(name[:len(start)]) != start {
				continue
			}
		} else if string(name) != b.name {
			continue
		}
		if b.ignored {
			return nil
		}
		return b
	}
	return nil
}

func (n *node) open() bool { return strings.HasSuffix(n.name, "*") }
