package arch

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// TestLinks: what a page links to is there, the heading too.
func TestLinks(t *testing.T) {
	broken, err := deadLinks(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range broken {
		t.Error(b)
	}
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.+)$`)
	fence   = regexp.MustCompile("(?ms)^```.*?^```")
)

// deadLinks reads every Markdown page of a tree.
func deadLinks(tree fs.FS) (broken []string, err error) {
	pages := map[string]string{}
	err = walk(tree, func(name string, text []byte) error {
		if strings.HasSuffix(name, ".md") {
			pages[name] = fence.ReplaceAllString(string(text), "")
		}
		return nil
	})
	for name, text := range pages {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			to, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(to, "://") {
				continue
			}
			if to = path.Join(path.Dir(name), to); strings.HasPrefix(m[1], "#") {
				to = name
			}
			if _, err := fs.Stat(tree, to); err != nil {
				broken = append(broken, fmt.Sprintf("%s: %s leads nowhere", name, m[1]))
			} else if anchor != "" && !slices.Contains(anchors(pages[to]), anchor) {
				broken = append(broken, fmt.Sprintf("%s: %s: no such heading", name, m[1]))
			}
		}
	}
	slices.Sort(broken)
	return broken, err
}

// anchors are the names that a renderer gives to headings: lower case, hyphens for
// spaces, letters, digits, hyphens and underscores kept.
func anchors(page string) (names []string) {
	for _, m := range heading.FindAllStringSubmatch(page, -1) {
		names = append(names, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789-_", r):
				return r
			}
			return -1
		}, strings.ToLower(m[1])))
	}
	return names
}

// TestNamedTests: the tests by which pages vouch for something are there.
func TestNamedTests(t *testing.T) {
	lost, err := lostTests(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lost {
		t.Error(l)
	}
}

var (
	testName = regexp.MustCompile("`((?:Test|Fuzz|Benchmark)[A-Z][A-Za-z0-9]*)")
	testFunc = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w*)\(`)
)

func lostTests(tree fs.FS) (lost []string, err error) {
	named, there := map[string]string{}, map[string]bool{}
	err = walk(tree, func(name string, text []byte) error {
		switch {
		case strings.HasSuffix(name, ".md"):
			for _, m := range testName.FindAllSubmatch(text, -1) {
				named[string(m[1])] = name
			}
		case strings.HasSuffix(name, "_test.go"):
			for _, m := range testFunc.FindAllSubmatch(text, -1) {
				there[string(m[1])] = true
			}
		}
		return nil
	})
	for test, page := range named {
		if !there[test] {
			lost = append(lost, fmt.Sprintf("%s: there is no %s", page, test))
		}
	}
	slices.Sort(lost)
	return lost, err
}

func TestPlantedNames(t *testing.T) {
	lost, err := lostTests(fstest.MapFS{
		"a.md":      {Data: []byte("held by `TestOne`, `TestTwo/part`, `FuzzThree`")},
		"a_test.go": {Data: []byte("package a\n\nfunc TestOne(t *testing.T) {}\nfunc FuzzThree(f *testing.F) {}\n")},
	})
	if err != nil || !slices.Equal(lost, []string{"a.md: there is no TestTwo"}) {
		t.Errorf("%q, %v", lost, err)
	}
}

func TestPlantedLinks(t *testing.T) {
	tree := fstest.MapFS{
		"a.md":      {Data: []byte("# One: `two` words\n[here](#one-two-words) [there](docs/b.md#b) [out](https://example.org/x)\n```\n[no](link)\n```\n")},
		"docs/b.md": {Data: []byte("## B\n[up](../a.md) [gone](c.md) [no heading](../a.md#two)\n")},
	}
	broken, err := deadLinks(tree)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"docs/b.md: ../a.md#two: no such heading", "docs/b.md: c.md leads nowhere"}
	if !slices.Equal(broken, want) {
		t.Errorf("%q, want %q", broken, want)
	}
}
