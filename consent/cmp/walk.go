package cmp

import "bytes"

// maxOpen is how many members an object may have whose members each hold an array of words.
const maxOpen = 32

// ReadForm reads a value by a Form. What cannot be read is an *Error, and the Reading
// then says nothing.
func (r *Reading) ReadForm(c *Compiled, value []byte) error {
	r.reset(c.lists)
	err := r.readForm(c, value)
	if err != nil {
		r.reset(c.lists)
	}
	return err
}

func (r *Reading) readForm(c *Compiled, value []byte) error {
	text, err := r.take(value)
	for i := 0; err == nil && i < len(c.steps); i++ {
		text, err = c.steps[i](text)
	}
	if err == nil {
		err = plain(text)
	}
	if err != nil {
		return err
	}
	if c.asks {
		r.facts = 1 << NoChoice
	}
	w := walker{r: r, c: c, s: scanner{text: text}}
	if c.pairs[0] != "" {
		w.pairs(text)
	} else {
		w.value(&c.root, nil)
		if w.s.peek() != 0 {
			w.s.fail("no JSON")
		}
	}
	return w.s.err
}

// walker goes through one value.
type walker struct {
	r    *Reading
	c    *Compiled
	s    scanner
	seen uint64 // places that have come: none may come twice, for which would count?
}

// value reads what stands at a place. word is what the last * on the way stood for.
func (w *walker) value(n *node, word []byte) {
	switch c := w.s.peek(); {
	case c == '{' && len(n.below) > 0:
		w.object(n, word)
	case c == '[' && n.list:
		w.words(n)
	case c == '{' || c == '[':
		w.s.skip()
		if n.list || len(n.below) > 0 {
			w.s.fail("another shape than is read")
		}
		w.leaf(n, word, nil, false)
	default:
		text, raw := w.s.scalar()
		if w.s.err != nil {
			return
		}
		if string(text) == "null" && raw {
			text = nil
		} else if n.list || len(n.below) > 0 {
			w.s.fail("another shape than is read")
			return
		}
		w.leaf(n, word, text, raw)
	}
}

func (w *walker) object(n *node, word []byte) {
	var open [maxOpen][]byte
	opened := 0
	w.s.open()
	for first := true; w.s.more(first, '}'); first = false {
		name := w.s.key()
		m := n.member(name)
		if m == nil {
			w.s.skip()
			continue
		}
		if !m.open() {
			w.come(m)
			if word != nil {
				name = word
			}
			w.value(m, name)
			continue
		}
		if m.list { // the words of a member that comes twice would add up
			for _, o := range open[:opened] {
				if bytes.Equal(o, name) {
					w.s.fail("a member twice")
				}
			}
			if opened == maxOpen {
				w.s.fail("too many members")
				return
			}
			open[opened] = name
			opened++
		}
		w.seen &^= m.under
		w.value(m, name)
	}
}

// come is called for a place that can come once.
func (w *walker) come(n *node) {
	if w.seen&n.bit != 0 {
		w.s.fail("a member twice")
	}
	w.seen |= n.bit
}

// words reads an array of them.
func (w *walker) words(n *node) {
	w.s.open()
	for first := true; w.s.more(first, ']'); first = false {
		if text := w.s.str(); w.s.err == nil {
			w.add(n.of, text, n.said)
		}
	}
}

func (w *walker) add(of string, text []byte, said Said) {
	if len(text) == 0 {
		w.s.fail("an empty word")
	} else if !w.r.add(of, text, said) {
		w.s.fail("too many words")
	}
}

// leaf reads a value that is no list: a scalar, or nil for null and what is none.
func (w *walker) leaf(n *node, word, text []byte, raw bool) {
	if n.value {
		said := Unset
		switch {
		case holds(w.c.denied, text):
			said = Denied
		case holds(w.c.granted, text):
			said = Granted
		case len(text) > 0:
			w.r.facts |= 1 << UnknownValue
		}
		w.add(n.of, word, said)
	}
	if text == nil {
		return
	}
	if n.made || n.expires {
		t, ok := instant(text)
		if !ok {
			w.s.fail("no time")
			return
		}
		if n.made {
			w.r.Made = t
		} else {
			w.r.Expires = t
		}
	}
	if n.chosen {
		no := len(text) == 0 || string(text) == "false" || string(text) == "0"
		if w.c.chosen != "" {
			no = string(text) != w.c.chosen
		}
		if !no {
			w.r.facts &^= 1 << NoChoice
		}
	}
	switch {
	case n.show != "" && n.hidden:
		w.r.note(n.show, jsonTrue, true)
	case n.show != "":
		w.r.note(n.show, text, raw)
	}
}

// pairs reads entries of keys and values; an empty entry is none.
func (w *walker) pairs(text []byte) {
	for at := 0; at <= len(text) && w.s.err == nil; {
		entry := text[at:]
		if i := index(entry, w.c.pairs[0]); i >= 0 {
			entry = entry[:i]
		}
		i := index(entry, w.c.pairs[1])
		if i < 0 && len(entry) > 0 {
			w.s.at = at
			w.s.fail("a key without a value")
			return
		}
		if i >= 0 {
			w.s.at = at
			w.pair(entry[:i], entry[i+len(w.c.pairs[1]):])
		}
		at += len(entry) + len(w.c.pairs[0])
	}
}

// pair reads one: its key is a path, unless a member has just that name.
func (w *walker) pair(key, value []byte) {
	n, rest := &w.c.root, key
	for {
		name, tail := rest, []byte(nil)
		m := n.member(name)
		if m == nil || m.open() {
			if i := bytes.IndexByte(rest, '.'); i >= 0 {
				if b := n.member(rest[:i]); b != nil && len(b.below) > 0 {
					m, name, tail = b, rest[:i], rest[i+1:]
				}
			}
		}
		if m == nil {
			return
		}
		n, rest = m, tail
		if tail == nil {
			if !m.open() {
				w.come(m)
			}
			w.leaf(m, name, value, false)
			return
		}
	}
}

// holds reports whether one of the values is the text.
func holds(values []string, text []byte) bool {
	for _, v := range values {
		if string(text) == v {
			return true
		}
	}
	return false
}

func index(text []byte, sep string) int {
	for i := 0; i+len(sep) <= len(text); i++ {
		if string(text[i:i+len(sep)]) == sep {
			return i
		}
	}
	return -1
}
