package collector

import (
	"strings"
	"testing"
)

// TestSourcesThatNobodyFinds: a source behind another of the same path or bearer token,
// and a path that takes the routes from everybody.
func TestSourcesThatNobodyFinds(t *testing.T) {
	server := func(id, key, bearer string) *Source {
		return &Source{ID: id, Kind: KindServer, Key: key, Bearer: bearer}
	}
	under := func(id string, paths ...string) *Source { return &Source{ID: id, Paths: paths} }
	for _, k := range []struct {
		list []*Source
		want string
	}{
		{[]*Source{under("a", "/a", "/b"), under("b", "/eu/a", "/v10", "/a/collect")}, ""},
		{[]*Source{under("a", "/a"), under("b", "/b", "/a")}, `source "b": paths: "/a" is also a path of source "a"`},
		{[]*Source{under("a", "/v1")}, `source "a": paths: "/v1": requests for the routes under /v1 `},
		{[]*Source{under("a", "/v1/events")}, "under /v1 "},
		{[]*Source{under("a", "/.well-known")}, "under /.well-known "},
		{[]*Source{under("a", "/healthz")}, "under /healthz "},
		{[]*Source{under("a", "/a"), under("b", "/a/v1")}, `source "b": paths: "/a/v1": requests for the routes under /a/v1 `},
		{[]*Source{server("a", "", "one"), server("b", "", "two")}, ""},
		{[]*Source{server("a", "", "one"), server("b", "", "one")}, `source "b": its bearer token is also that of source "a"`},
		{[]*Source{server("a", "", "one"), {ID: "b", Key: "one"}}, `source "a": its bearer token is the public key of source "b"`},
		{[]*Source{server("a", "one", "one")}, `source "a": its bearer token is the public key of source "a"`},
	} {
		_, wrong := newSources(k.list, nil)
		switch {
		case k.want == "" && len(wrong) > 0, k.want != "" && len(wrong) != 1:
			t.Errorf("want %q, got %v", k.want, wrong)
		case k.want != "" && !strings.Contains(wrong[0].Error(), k.want):
			t.Errorf("want %q, got %v", k.want, wrong[0])
		}
	}
}
