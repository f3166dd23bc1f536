package collector

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
)

// routes are the paths that are served. One segment of a path may be a parameter, as in
// /v1/consent/receipts/{id} or /v1/projects/{key}/settings: it takes any one segment
// that is not empty, where no other path is served. Built once.
type routes struct {
	byPath    map[string]*endpoint // as declared
	withParam []*endpoint          // the more that comes before the parameter, the earlier
}

// endpoint is what is served under one path.
type endpoint struct {
	path          string
	before, after string // of a parameter's segment; both empty: there is none
	methods       methods
	events        bool // its bodies hold events
}

// methods maps a method to what serves it.
type methods map[string]func(*exchange)

// add makes room for one more path.
func (r *routes) add(path string) *endpoint {
	if e := r.byPath[path]; e != nil {
		return e
	}
	e := &endpoint{path: path, methods: methods{}}
	r.byPath[path] = e
	before, rest, param := strings.Cut(path, "{")
	if !param {
		return e
	}
	_, after, closed := strings.Cut(rest, "}")
	if !closed || !strings.HasSuffix(before, "/") || after != "" && after[0] != '/' || strings.Contains(after, "{") {
		panic("BUG: a route whose parameter is no segment, or that has two: " + path)
	}
	e.before, e.after = before, after
	r.withParam = append(r.withParam, e)
	slices.SortFunc(r.withParam, func(a, b *endpoint) int {
		return cmp.Or(len(b.before)-len(a.before), strings.Compare(a.path, b.path))
	})
	return e
}

// find gives what is served under a path, nil for nothing, and its parameter.
func (r *routes) find(path []byte) (e *endpoint, param []byte) {
	if e := r.byPath[string(path)]; e != nil && e.before == "" {
		return e, nil
	}
	for _, e := range r.withParam {
		rest, begins := bytes.CutPrefix(path, []byte(e.before))
		param, ends := bytes.CutSuffix(rest, []byte(e.after))
		if begins && ends && len(param) > 0 && bytes.IndexByte(param, '/') < 0 {
			return e, param
		}
	}
	return nil, nil
}

func (m methods) list() string {
	s := "OPTIONS"
	for _, name := range []string{"GET", "POST"} {
		if m == nil || m[name] != nil {
			s += ", " + name
		}
	}
	return s
}
