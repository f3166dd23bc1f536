package main

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// problems gathers everything that is wrong, so that one check shows it all.
type problems struct {
	config *config
	list   []error
}

// problem is one mistake in the config.
type problem struct {
	file         string
	line, column int    // 0: not said in the file
	at           string // YAML path; empty: the file as a whole
	err          error
}

func (p *problem) Error() string {
	at := p.at
	if at != "" {
		at += ": "
	}
	if p.line == 0 {
		return fmt.Sprintf("%s%v", strings.TrimPrefix(at, "$."), p.err)
	}
	return fmt.Sprintf("%s:%d:%d: %s%v", p.file, p.line, p.column, at, p.err)
}

func (p *problem) Unwrap() error { return p.err }

// add tells a mistake at a YAML path such as $.sources[0].kind; a value that the
// file does not hold came from a flag or a variable and has no place.
func (p *problems) add(at, format string, args ...any) {
	p.addAt(p.config.node(at), at, format, args...)
}

func (p *problems) addAt(n ast.Node, at, format string, args ...any) {
	wrong := &problem{file: p.config.file, at: at, err: fmt.Errorf(format, args...)}
	if n != nil {
		wrong.line, wrong.column = place(firstToken(n))
	}
	p.list = append(p.list, wrong)
}

// addAll tells each mistake that a wing joined, at the setting of the section with
// whose name its text begins, else at the section.
func (p *problems) addAll(section string, err error) {
	if err == nil {
		return
	}
	for _, wrong := range unjoin(err) {
		text := strings.TrimPrefix(wrong.Error(), section+": ")
		name, _, named := strings.Cut(text, ":")
		if !named {
			name, _, _ = strings.Cut(text, " ")
		}
		name, _, _ = strings.Cut(name, ",")
		at := "$." + section + "." + strings.ReplaceAll(name, " ", "_")
		if p.config.node(at) == nil {
			p.add("$."+section, "%s", text)
			continue
		}
		p.add(at, "%s", strings.TrimLeft(text[len(name):], ":, "))
	}
}

// node is what the file holds at a YAML path; nil: nothing.
func (c *config) node(at string) ast.Node {
	if c.ast == nil {
		return nil
	}
	path, err := yaml.PathString(at)
	if err != nil {
		return nil
	}
	n, err := path.FilterFile(c.ast)
	if err != nil {
		return nil
	}
	return n
}

// firstToken is where a value begins: a table without brackets does with its first key.
func firstToken(n ast.Node) *token.Token {
	switch v := n.(type) {
	case *ast.MappingNode:
		if !v.IsFlowStyle && len(v.Values) > 0 {
			return v.Values[0].Key.GetToken()
		}
	case *ast.MappingValueNode:
		return v.Key.GetToken()
	}
	return n.GetToken()
}

func place(t *token.Token) (line, column int) {
	if t == nil || t.Position == nil {
		return 1, 1
	}
	return t.Position.Line, t.Position.Column
}

// readConfig reads a file strictly and tells every mistake with its place; what
// is right is read all the same. Without a path: the defaults.
func readConfig(path string) (*config, error) {
	c := &config{file: path}
	if path == "" {
		return c, nil
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading config: %w", err)
	}
	if c.ast, err = parser.ParseBytes(withoutMark(raw), 0); err != nil {
		return nil, yamlProblem(path, err)
	}
	r := fieldReader{problems: problems{config: c}, anchors: map[string]ast.Node{}}
	docs := slices.DeleteFunc(c.ast.Docs, func(d *ast.DocumentNode) bool { return d.Body == nil }) // nothing but comments
	for i, doc := range docs {
		if i > 0 {
			r.addAt(doc.Body, "", "a second document begins here: a config is one")
			break
		}
		r.read("$", doc.Body, reflect.ValueOf(c).Elem())
	}
	return c, errors.Join(r.list...)
}

// yamlProblem keeps place and message of the library's error, without the
// excerpt: a config may hold what belongs in no log.
func yamlProblem(file string, err error) error {
	var y yaml.Error
	if errors.As(err, &y) {
		line, column := place(y.GetToken())
		return &problem{file: file, line: line, column: column, err: errors.New(y.GetMessage())}
	}
	return &problem{file: file, line: 1, column: 1, err: errors.New(strings.SplitN(err.Error(), "\n", 2)[0])}
}
