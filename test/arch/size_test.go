package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// A bound is one number that CONTRIBUTING promises of program code. Tests are free
// of it: a test is a list of cases, and may be as long as its list.
type bound struct {
	what     string // the noun that is counted, with what it is counted of
	most     int
	mend     string
	excepted map[string]int // name → its size today, which may only shrink
}

// A size is what one function or package measures.
type size struct {
	name string // folder.Function, folder.Type.Method or folder
	at   string // file:line, or the folder
	n    int
}

func TestSizes(t *testing.T) {
	found, err := measure(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range bounds {
		for _, broken := range b.judge(found[b.what]) {
			t.Error(broken)
		}
	}
}

// judge says which sizes are too large, and which exceptions are out of date: the list
// stays true only if a size that shrinks takes its exception along.
func (b *bound) judge(sizes []size) (broken []string) {
	largest := map[string]size{}
	for _, s := range sizes {
		if s.n > largest[s.name].n {
			largest[s.name] = s
		}
	}
	for _, s := range largest {
		was, excepted := b.excepted[s.name]
		switch {
		case s.n > b.most && !excepted:
			broken = append(broken, fmt.Sprintf("%s: %s has %d %s, %d are the most: %s", s.at, s.name, s.n, b.what, b.most, b.mend))
		case s.n > b.most && s.n > was:
			broken = append(broken, fmt.Sprintf("%s: %s has %d %s, and its exception of test/arch says %d: exceptions only shrink", s.at, s.name, s.n, b.what, was))
		case s.n > b.most && s.n < was:
			broken = append(broken, fmt.Sprintf("%s: %s has only %d %s left: write %d for %d in its exception of test/arch", s.at, s.name, s.n, b.what, s.n, was))
		}
	}
	for name := range b.excepted {
		if n := largest[name].n; n <= b.most {
			broken = append(broken, fmt.Sprintf("%s: has %d %s, %d are the most: take its exception out of test/arch", name, n, b.what, b.most))
		}
	}
	slices.Sort(broken)
	return broken
}

// measure reads the program code of a tree: what is counted → sizes.
func measure(tree fs.FS) (map[string][]size, error) {
	found, files := map[string][]size{}, map[string]int{}
	err := walk(tree, func(name string, text []byte) error {
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, text, parser.SkipObjectResolution|parser.ParseComments)
		if err != nil {
			return fmt.Errorf("parsing %s: %w", name, err)
		}
		if ast.IsGenerated(file) {
			return nil
		}
		dir := path.Dir(name)
		files[dir]++
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			first, last := set.Position(f.Pos()).Line, set.Position(f.End()).Line
			s := size{name: dir + "." + receiver(f) + f.Name.Name, at: fmt.Sprintf("%s:%d", name, first)}
			s.n = last - first + 1
			found[functionLines] = append(found[functionLines], s)
			s.n = f.Type.Params.NumFields()
			found[parameters] = append(found[parameters], s)
		}
		return nil
	})
	for dir, n := range files {
		found[packageFiles] = append(found[packageFiles], size{dir, dir, n})
	}
	return found, err
}

// receiver is a method's type and a dot, or nothing.
func receiver(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	t := f.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.Ident:
			return x.Name + "."
		default:
			return ""
		}
	}
}

// TestPlantedSizes shows that each bound can be broken, and that an exception which
// is too small, too large or not needed is found.
func TestPlantedSizes(t *testing.T) {
	long := func(signature string, lines int) string {
		return "package x\n\nfunc " + signature + " {" + strings.Repeat("\n", lines-1) + "}\n"
	}
	f := func(what string, except map[string]int, tree fstest.MapFS, want ...string) {
		t.Helper()
		found, err := measure(tree)
		if err != nil {
			t.Fatal(err)
		}
		b := *bounds[slices.IndexFunc(bounds, func(b *bound) bool { return b.what == what })]
		b.excepted = except
		got := b.judge(found[what])
		if len(got) != len(want) {
			t.Errorf("%s: %q, want %q", what, got, want)
			return
		}
		for i := range want {
			if !strings.Contains(got[i], want[i]) {
				t.Errorf("%s: %q, want %q", what, got[i], want[i])
			}
		}
	}
	tree := func(name, text string) fstest.MapFS { return fstest.MapFS{name: {Data: []byte(text)}} }

	f(functionLines, nil, tree("redact/x.go", long("f()", 60)))
	f(functionLines, nil, tree("redact/x.go", long("f()", 61)), "redact/x.go:3: redact.f has 61 lines a function, 60 are the most")
	f(functionLines, nil, tree("redact/x.go", long("(z *list[T]) f()", 61)), "redact.list.f has 61")
	f(functionLines, nil, tree("redact/x_test.go", long("f()", 61)))
	f(functionLines, nil, tree("redact/x.go", "// Code generated by gen. DO NOT EDIT.\n\n"+long("f()", 61)))
	f(functionLines, map[string]int{"redact.f": 61}, tree("redact/x.go", long("f()", 61)))
	f(functionLines, map[string]int{"redact.f": 61}, tree("redact/x.go", long("f()", 62)), "exceptions only shrink")
	f(functionLines, map[string]int{"redact.f": 63}, tree("redact/x.go", long("f()", 62)), "write 62 for 63")
	f(functionLines, map[string]int{"redact.f": 63}, tree("redact/x.go", long("f()", 60)), "take its exception out")
	f(functionLines, map[string]int{"redact.g": 63}, tree("redact/x.go", long("f()", 60)), "redact.g: has 0")

	f(parameters, nil, tree("geo/x.go", long("f(a, b int, c, d, e string)", 1)))
	f(parameters, nil, tree("geo/x.go", long("f(a, b int, c, d, e string, g ...byte)", 1)), "geo.f has 6 parameters a function")

	many := fstest.MapFS{"wal/x_test.go": {Data: []byte("package x\n")}}
	for i := range maxFiles {
		many[fmt.Sprintf("wal/x%d.go", i)] = &fstest.MapFile{Data: []byte("package x\n")}
	}
	f(packageFiles, nil, many)
	many["wal/y.go"] = &fstest.MapFile{Data: []byte("package x\n")}
	f(packageFiles, nil, many, fmt.Sprintf("wal has %d files a package", maxFiles+1))
}
