package strictyaml

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// broken reports whether a value is none that a document uses: whoever walks the
// tree first reports that, once.
func (n *Node) broken() bool { return n.Kind > Table }

// Is reports whether a value is of the kind meant, and reports if it is not. An absent
// value and an empty one are the same mistake.
func (n *Node) Is(r *Report, k Kind, what string) bool {
	if n.Kind == k {
		return true
	}
	if !n.broken() {
		r.Addf(n.Pos, "%s is %s: write %s", what, n.Kind, k)
	}
	return false
}

// Str reads text.
func (n *Node) Str(r *Report, what string) string {
	if !n.Is(r, Scalar, what) {
		return ""
	}
	if strings.TrimSpace(n.Text) == "" {
		r.Addf(n.Pos, "%s is empty: write it or leave the key out", what)
	}
	return n.Text
}

// Flag reads true or false.
func (n *Node) Flag(r *Report, what string) bool {
	if n.Kind == Scalar && n.Plain && (n.Text == "true" || n.Text == "false") {
		return n.Text == "true"
	}
	if !n.broken() {
		r.Addf(n.Pos, "%s: write true or false", what)
	}
	return false
}

// Number reads a whole number from low to high.
func (n *Node) Number(r *Report, what string, low, high int) int {
	if n.Kind == Scalar && n.Plain {
		if i, err := strconv.Atoi(n.Text); err == nil && low <= i && i <= high {
			return i
		}
	}
	if !n.broken() {
		r.Addf(n.Pos, "%s: write a whole number from %d to %d", what, low, high)
	}
	return low
}

// Each visits a list's items.
func (n *Node) Each(r *Report, what string, f func(item *Node)) {
	if !n.Is(r, List, what) {
		return
	}
	if len(n.Items) == 0 {
		r.Addf(n.Pos, "%s is an empty list: name at least one or leave the key out", what)
	}
	for _, i := range n.Items {
		f(i)
	}
}

// Entries visits a table's entries once each; a key that comes twice is reported. Keys
// that are no single value are left to the caller.
func (n *Node) Entries(r *Report, what string, f func(key, value *Node)) {
	if !n.Is(r, Table, what) {
		return
	}
	seen := make(map[string]int, len(n.Keys))
	for i, k := range n.Keys {
		if k.Kind != Scalar {
			continue
		}
		if line, twice := seen[k.Text]; twice {
			r.Addf(k.Pos, "%s: %q is already in line %d: keep one", what, k.Text, line)
			continue
		}
		seen[k.Text] = k.Pos.Line
		f(k, n.Items[i])
	}
}

// Fields reads a table whose keys are known: a reader for each. required lists
// the keys that must be there.
func (n *Node) Fields(r *Report, what string, readers map[string]func(*Node), required ...string) {
	var known []string
	found := map[string]bool{}
	n.Entries(r, what, func(key, value *Node) {
		found[key.Text] = true
		if read := readers[key.Text]; read != nil {
			read(value)
			return
		}
		if known == nil {
			known = slices.Sorted(maps.Keys(readers))
		}
		hint := DidYouMean(key.Text, known)
		if hint == "" {
			hint = fmt.Sprintf("; known are %s", strings.Join(known, ", "))
		}
		r.Addf(key.Pos, "%s: unknown key %q%s", what, key.Text, hint)
	})
	if n.Kind != Table {
		return
	}
	for _, k := range required {
		if !found[k] {
			r.Addf(n.Pos, "%s has no %s: add it", what, k)
		}
	}
}
