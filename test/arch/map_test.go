package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// TestMap: the tables of docs/architecture.md list every program file, and nothing that
// is gone. Where the files of a package form no circle, they stand in reading order: no
// file uses a later one.
func TestMap(t *testing.T) {
	broken, err := checkMap(root, layered)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range broken {
		t.Error(b)
	}
}

// TestFolders: the map of README.md has every folder at the top.
func TestFolders(t *testing.T) {
	readme, err := fs.ReadFile(root, "README.md")
	if err != nil {
		t.Fatal(err)
	}
	top := map[string]bool{}
	if err := walk(root, func(name string, _ []byte) error {
		if dir, _, below := strings.Cut(name, "/"); below && !strings.HasPrefix(dir, ".") {
			top[dir] = true
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for dir := range top {
		if !strings.Contains(string(readme), "]("+dir) && dir != "scripts" {
			t.Errorf("README.md, Map: %s is missing", dir)
		}
	}
}

// TestRecipes: the files that docs/extend.md sends people to, and the tests that it has
// them run, are there.
func TestRecipes(t *testing.T) {
	text, err := fs.ReadFile(root, "docs/extend.md")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`([a-z]+/[a-z_0-9/.-]+\\.[a-z]+)`").FindAllStringSubmatch(string(text), -1)
	if len(named) < 40 {
		t.Errorf("only %d files are named", len(named))
	}
	for _, m := range named {
		if _, err := fs.Stat(root, m[1]); err != nil {
			t.Errorf("docs/extend.md: there is no %s", m[1])
		}
	}
	commands := regexp.MustCompile("`go test ((?:\\./[^\\s`]+ ?)+)(?:-run '?([^'`]+)'?)?`").FindAllStringSubmatch(string(text), -1)
	if len(commands) < 10 {
		t.Errorf("only %d commands are named", len(commands))
	}
	for _, m := range commands {
		for pattern := range strings.SplitSeq(strings.TrimSpace(m[2]), "|") {
			if !hasTest(t, strings.Fields(m[1]), pattern) {
				t.Errorf("docs/extend.md: %s runs no test named by %q", m[0], pattern)
			}
		}
	}
}

// hasTest reports whether one of the packages has a test whose name holds the pattern.
func hasTest(t *testing.T, packages []string, pattern string) bool {
	for _, p := range packages {
		names, err := fs.Glob(root, path.Join(p, "*_test.go"))
		if err != nil || len(names) == 0 {
			t.Errorf("docs/extend.md: no tests in %s", p)
		}
		for _, name := range names {
			text, err := fs.ReadFile(root, name)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range testFunc.FindAllSubmatch(text, -1) {
				if strings.Contains(string(m[1]), pattern) {
					return true
				}
			}
		}
	}
	return false
}

var (
	mapFolder = regexp.MustCompile("^### `([a-z0-9_/]+)`$")
	mapFile   = regexp.MustCompile("^\\| `([a-z0-9_]+\\.go)` \\|")
)

// checkMap holds the file map against a tree. Harnesses below test/ and generated files
// are left out of it.
func checkMap(tree fs.FS, layered []string) (broken []string, err error) {
	page, err := fs.ReadFile(tree, "docs/architecture.md")
	if err != nil {
		return nil, err
	}
	_, section, _ := strings.Cut(string(page), "\n## File map\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var listed []string
	dir := ""
	for line := range strings.Lines(section) {
		line = strings.TrimSuffix(line, "\n")
		if m := mapFolder.FindStringSubmatch(line); m != nil {
			dir = m[1]
		} else if m := mapFile.FindStringSubmatch(line); m != nil {
			name := dir + "/" + m[1]
			listed = append(listed, name)
			cells := strings.Split(line, "|")
			text, _ := fs.ReadFile(tree, name)
			for _, m := range regexp.MustCompile("`(\\w+)").FindAllStringSubmatch(cells[len(cells)-2], -1) {
				if len(text) > 0 && !regexp.MustCompile(`(?m)^(type |\t|func )`+m[1]+`\b`).Match(text) {
					broken = append(broken, fmt.Sprintf("%s does not declare %s, which the file map of docs/architecture.md names", name, m[1]))
				}
			}
		}
	}
	err = walk(tree, func(name string, text []byte) error {
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "test/") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.PackageClauseOnly|parser.ParseComments)
		if err == nil && !ast.IsGenerated(file) && !slices.Contains(listed, name) {
			broken = append(broken, fmt.Sprintf("%s is not in the file map of docs/architecture.md", name))
		}
		return err
	})
	for i, name := range listed {
		if _, err := fs.Stat(tree, name); err != nil {
			broken = append(broken, fmt.Sprintf("%s is in the file map of docs/architecture.md, and is gone", name))
		}
		if slices.Contains(listed[:i], name) {
			broken = append(broken, fmt.Sprintf("%s is twice in the file map of docs/architecture.md", name))
		}
	}
	for _, dir := range layered {
		uses, err := usesOf(tree, dir)
		if err != nil {
			return nil, err
		}
		for from, to := range uses {
			for later, name := range to {
				if slices.Index(listed, later) > slices.Index(listed, from) {
					broken = append(broken, fmt.Sprintf("%s uses %s of %s, which stands below it in the file map of docs/architecture.md", from, name, path.Base(later)))
				}
			}
		}
	}
	slices.Sort(broken)
	return broken, err
}

func TestPlantedMap(t *testing.T) {
	f := func(rows string, want ...string) {
		t.Helper()
		broken, err := checkMap(fstest.MapFS{
			"docs/architecture.md": {Data: []byte("# A\n\n## File map\n### `wal`\nA log.\n\n| file | what |\n|---|---|\n" + rows + "\n## Not obvious\n| `y.go` | |\n")},
			"wal/a.go":             {Data: []byte("package wal\n\nfunc a() {}\n")},
			"wal/b.go":             {Data: []byte("package wal\n\nfunc b() { a() }\n")},
			"wal/b_test.go":        {Data: []byte("package wal\n")},
			"wal/z.go":             {Data: []byte("// Code generated by z. DO NOT EDIT.\n\npackage wal\n")},
			"test/x/x.go":          {Data: []byte("package x\n")},
		}, []string{"wal"})
		if err != nil || len(broken) != len(want) {
			t.Errorf("%s: %q, %v, want %q", rows, broken, err, want)
			return
		}
		for i := range want {
			if !strings.Contains(broken[i], want[i]) {
				t.Errorf("%s: %q, want %q", rows, broken, want)
			}
		}
	}
	f("| `a.go` | a |\n| `b.go` | b |\n")
	f("| `b.go` | b |\n", "wal/a.go is not in")
	f("| `a.go` | a |\n| `b.go` | b |\n| `c.go` | c |\n", "wal/c.go is in the file map of docs/architecture.md, and is gone")
	f("| `a.go` | a |\n| `a.go` | a |\n| `b.go` | b |\n", "wal/a.go is twice")
	f("| `b.go` | b |\n| `a.go` | a |\n", "wal/b.go uses a of a.go")
	f("| `a.go` | of `x` | `a()` |\n| `b.go` | b | `a` |\n", "wal/b.go does not declare a")
}
