package arch

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// layered are the packages whose files form no circle: there is an order in which each
// file uses earlier ones alone, so that the package can be read from the bottom up. A
// package joins them when its last circle is gone.
var layered = []string{"collector", "collector/dialect", "consent", "consent/bitstring", "consent/cmp", "consent/gpp", "consent/signals", "consent/tcf", "geo/mmdb", "keys", "metric", "names", "policy", "rate", "sinks", "sinks/dedup", "sinks/journal", "sinks/kafka", "strictyaml", "uuid7", "wire"}

func TestLayers(t *testing.T) {
	for _, dir := range layered {
		circle, err := circleOf(root, dir)
		if err != nil {
			t.Fatal(err)
		}
		if len(circle) > 0 {
			t.Errorf("%s: files use each other in a circle: move what one of them needs into a lower file: %s", dir, strings.Join(circle, ", "))
		}
	}
}

// nothing stands for every imported package: what files use of each other is seen
// without what they use of others.
type nothing struct{}

func (nothing) Import(string) (*types.Package, error) { return nil, errors.New("not looked at") }

// circleOf returns the arrows of a package's files that are in a circle, as "a.go uses
// name of b.go", sorted; none where there is no circle.
func circleOf(tree fs.FS, dir string) ([]string, error) {
	uses, err := usesOf(tree, dir)
	return inCircles(uses), err
}

// usesOf says which file of a package uses which other one, and a name that it uses.
func usesOf(tree fs.FS, dir string) (map[string]map[string]string, error) {
	set := token.NewFileSet()
	var files []*ast.File
	names, err := fs.Glob(tree, dir+"/*.go")
	if err != nil || len(names) == 0 {
		return nil, fmt.Errorf("reading package %s: %w", dir, errors.Join(err, fs.ErrNotExist))
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return nil, err
		}
		file, err := parser.ParseFile(set, name, text, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	conf := types.Config{Importer: nothing{}, Error: func(error) {}}
	pkg, _ := conf.Check(dir, set, files, info) // errors are those of imports
	uses := map[string]map[string]string{}      // file → file → a name that it uses
	for id, object := range info.Uses {
		from, to := set.Position(id.Pos()).Filename, set.Position(object.Pos()).Filename
		if object.Pkg() != pkg || from == to || to == "" {
			continue
		}
		if uses[from] == nil {
			uses[from] = map[string]string{}
		}
		if old := uses[from][to]; old == "" || object.Name() < old {
			uses[from][to] = object.Name()
		}
	}
	return uses, nil
}

// inCircles takes away every file that uses none of those left, then every file that
// none of those left uses, and lists the arrows that remain.
func inCircles(uses map[string]map[string]string) (out []string) {
	for taken := true; taken; {
		taken = false
		used := map[string]bool{}
		for _, to := range uses {
			for name := range to {
				if len(uses[name]) == 0 {
					delete(to, name)
					taken = true
				}
				used[name] = true
			}
		}
		for from := range uses {
			if len(uses[from]) == 0 || !used[from] {
				delete(uses, from)
				taken = true
			}
		}
	}
	for from, to := range uses {
		for name, object := range to {
			out = append(out, fmt.Sprintf("%s uses %s of %s", path.Base(from), object, path.Base(name)))
		}
	}
	slices.Sort(out)
	return out
}

// TestPlantedCircles: a circle is found, through types and methods too, and what only
// hangs on it is not blamed.
func TestPlantedCircles(t *testing.T) {
	f := func(want string, files map[string]string) {
		t.Helper()
		tree := fstest.MapFS{}
		for name, text := range files {
			tree["p/"+name] = &fstest.MapFile{Data: []byte("package p\n" + text)}
		}
		circle, err := circleOf(tree, "p")
		if got := strings.Join(circle, "; "); err != nil || got != want {
			t.Errorf("%v: %q, %v, want %q", files, got, err, want)
		}
	}
	f("", map[string]string{"a.go": "func A() { B() }", "b.go": "func B() {}", "c.go": "func C() { A(); B() }"})
	f("a.go uses B of b.go; b.go uses A of a.go", map[string]string{
		"a.go": "func A() { B() }", "b.go": "func B() { A() }", "above.go": "func X() { A() }", "below.go": "func Y() {}",
	})
	f("a.go uses b of b.go; b.go uses T of a.go", map[string]string{
		"a.go": "import \"os\"\ntype T struct{ f *os.File }\nfunc (t *T) A() { t.b() }", "b.go": "func (t *T) b() {}",
	})
	f("", map[string]string{"a.go": "func a() {}", "a_test.go": "func b() { a() }"})
}
