package collector

import (
	"bytes"
	"cmp"
	"errors"
	"slices"
	"strings"
)

// mounts are the path prefixes of all sources, the longest first: behind an existing
// site, /collect/v1/events is the route /v1/events of the source with that prefix.
type mounts []string

func newMounts(list []*Source) (m mounts) {
	for _, src := range list {
		m = append(m, src.Paths...)
	}
	slices.SortFunc(m, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	return slices.Compact(m)
}

// cut gives the route of a path as it came, and the prefix it was found under: whole
// segments, and one slash at the end is no other path.
func (m mounts) cut(path []byte) (route []byte, prefix string) {
	for _, p := range m {
		if rest, ok := bytes.CutPrefix(path, []byte(p)); ok && (len(rest) == 0 || rest[0] == '/') {
			path, prefix = rest, p
			break
		}
	}
	if n := len(path); n > 1 && path[n-1] == '/' {
		path = path[:n-1]
	}
	return path, prefix
}

// ownSegments begin the paths of this node's routes.
var ownSegments = []string{"/v1", "/.well-known", "/healthz"}

// hides gives the path under which no route would be found any more if p were cut off:
// p goes on with a route's first segment, from the root or from another prefix.
func (m mounts) hides(p string) string {
	for _, base := range append(mounts{""}, m...) {
		rest, ok := strings.CutPrefix(p, base)
		if !ok {
			continue
		}
		for _, own := range ownSegments {
			if rest == own || strings.HasPrefix(rest, own+"/") {
				return base + own
			}
		}
	}
	return ""
}

// checkPrefix says what is wrong with a path prefix as it was configured.
func checkPrefix(p string) error {
	const want = "want whole segments, as /collect, with no slash at the end"
	switch {
	case len(p) < 2 || p[0] != '/' || p[len(p)-1] == '/' || strings.Contains(p, "//"):
		return errors.New(want)
	case strings.Trim(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/") != "":
		return errors.New(want + ", with letters, digits and - _ ~ and dots in each")
	case slices.ContainsFunc(strings.Split(p, "/"), func(s string) bool { return s == "." || s == ".." }):
		return errors.New(want + ", because browsers resolve dots")
	}
	return nil
}
