package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

const module = "assent/"

// check reads every Go file of a tree and returns what breaks a rule of the
// table, as `file:line: what: why`.
func check(tree fs.FS) ([]string, error) {
	c := &checker{}
	err := walk(tree, func(name string, text []byte) error {
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		return c.file(name, text)
	})
	return c.broken, err
}

// skipped are folders that hold nothing of ours.
var skipped = []string{".git", ".cache", "bin", "node_modules", "assent-data"}

// walk hands over every file of the tree.
func walk(tree fs.FS, f func(name string, text []byte) error) error {
	return fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains(skipped, d.Name()):
			return fs.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		return f(name, text)
	})
}

type checker struct {
	broken []string
	set    *token.FileSet
	name   string // of the file at hand
}

func (c *checker) add(at token.Pos, format string, args ...any) {
	c.broken = append(c.broken, fmt.Sprintf("%s:%d: ", c.name, c.set.Position(at).Line)+fmt.Sprintf(format, args...))
}

func (c *checker) file(name string, text []byte) error {
	c.set, c.name = token.NewFileSet(), name
	file, err := parser.ParseFile(c.set, name, text, parser.SkipObjectResolution|parser.ParseComments)
	if err != nil {
		return fmt.Errorf("parsing %s: %w", name, err)
	}
	dir, test := path.Dir(name), strings.HasSuffix(name, "_test.go")
	c.size(file, text, test)
	for part := range strings.SplitSeq(dir, "/") {
		if slices.Contains(refusedNames, part) {
			c.add(file.Package, "folder %s: a folder is named after what it holds, in the words of docs/glossary.md", part)
		}
	}
	w := place(dir)
	if w == nil {
		c.add(file.Package, "package %s is not in the table of test/arch: decide where it stands in the house", dir)
		return nil
	}
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		c.imports(spec, imported, dir, w, test)
	}
	if !test {
		c.body(file, w)
	}
	return nil
}

// place finds a package's wing.
func place(dir string) *wing {
	for i := range wings {
		if match(wings[i].pattern, dir) {
			return &wings[i]
		}
	}
	return nil
}

// match knows three patterns: a path itself, each child of a folder (a/*), a
// folder with everything below it (a/**).
func match(pattern, p string) bool {
	if parent, ok := strings.CutSuffix(pattern, "**"); ok {
		return strings.HasPrefix(p+"/", parent)
	}
	if parent, ok := strings.CutSuffix(pattern, "*"); ok {
		rest, ok := strings.CutPrefix(p, parent)
		return ok && rest != "" && !strings.Contains(rest, "/")
	}
	return pattern == p
}

func matchAny(patterns []string, p string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return match(pattern, p) })
}

// imports judges one import of a file in dir.
func (c *checker) imports(spec *ast.ImportSpec, imported, dir string, w *wing, test bool) {
	at, bench := spec.Pos(), match("test/**", dir)
	if spec.Name != nil && spec.Name.Name == "_" && imported != "embed" && !test {
		c.add(at, "imports %s for its side effect: registration hides who uses whom", imported)
	}
	if ours, ok := strings.CutPrefix(imported, module); ok {
		switch {
		case test || bench: // tests may look at everything
		case match("test/**", ours):
			c.add(at, "%s imports %s: harnesses are for tests alone", dir, imported)
		case !matchAny(w.may, ours):
			c.add(at, "%s may not import %s: %s", dir, imported, w.why)
		}
		return
	}
	if first, _, _ := strings.Cut(imported, "/"); strings.Contains(first, ".") {
		c.dependency(at, imported, dir, test, bench)
		return
	}
	if test || bench {
		return
	}
	if imported == "testing" {
		c.add(at, "%s imports testing: program code does not test itself", dir)
	}
	for _, r := range impure {
		if w.pure && match(r.pattern, imported) && !slices.Contains(r.but, imported) {
			c.add(at, "%s imports %s: %s", dir, imported, r.why)
		}
	}
}

// dependency judges an import from outside.
func (c *checker) dependency(at token.Pos, imported, dir string, test, bench bool) {
	if (test || bench) && slices.ContainsFunc(testDependencies, func(p string) bool { return match(p+"/**", imported) }) {
		return
	}
	for _, d := range dependencies {
		if !match(d.prefix+"/**", imported) {
			continue
		}
		if !bench && !matchAny(d.in, dir) {
			c.add(at, "%s imports %s, which belongs to %s: %s", dir, imported, strings.Join(d.in, ", "), d.why)
		}
		return
	}
	c.add(at, "%s imports %s, which is not in the table of test/arch: each dependency needs its reason and its one importer", dir, imported)
}

// body looks for what imports do not show.
func (c *checker) body(file *ast.File, w *wing) {
	if generated := ast.IsGenerated(file); generated {
		return
	}
	timeName := "time"
	for _, spec := range file.Imports {
		if spec.Path.Value == `"time"` && spec.Name != nil {
			timeName = spec.Name.Name
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Name.Name == "init" && n.Recv == nil {
				c.add(n.Pos(), "func init: nothing happens by being imported; cmd calls what it needs")
			}
		case *ast.GoStmt:
			if w.pure {
				c.add(n.Pos(), "starts a goroutine: a pure package leaves that to its caller")
			}
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && w.pure && x.Name == timeName && clock[n.Sel.Name] {
				c.add(n.Pos(), "time.%s: a pure package takes the instant as an argument", n.Sel.Name)
			}
		}
		return true
	})
}

func (c *checker) size(file *ast.File, text []byte, test bool) {
	limit := maxLines
	if test {
		limit = maxTestLines
	}
	if n := strings.Count(string(text), "\n"); n > limit && !ast.IsGenerated(file) {
		c.add(file.Package, "%d lines, %d are the most: split it by the nouns it defines", n, limit)
	}
}
