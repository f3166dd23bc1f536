package main

import (
	"errors"
	"fmt"
	"os"
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

// problem is one mistake in the config file.
type problem struct {
	file         string
	line, column int // 0: not said in the file
	err          error
}

func (p *problem) Error() string {
	if p.line == 0 {
		return p.err.Error()
	}
	return fmt.Sprintf("%s:%d:%d: %v", p.file, p.line, p.column, p.err)
}

func (p *problem) Unwrap() error { return p.err }

// add tells a mistake at a YAML path such as $.sources[0].kind; a value that the
// file does not hold came from a flag or a variable and has no place.
func (p *problems) add(at, format string, args ...any) {
	wrong := &problem{file: p.config.file, err: fmt.Errorf(format, args...)}
	if n := p.config.node(at); n != nil {
		wrong.line, wrong.column = place(n.GetToken())
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
			at = "$." + section
		}
		p.add(at, "%s: %s", section, text)
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

func place(t *token.Token) (line, column int) {
	if t == nil || t.Position == nil {
		return 1, 1
	}
	return t.Position.Line, t.Position.Column
}

// readConfig reads a file strictly. A section, or a source, that cannot be read
// is one mistake with its line and column; the others are still read. Without a
// path: the defaults.
func readConfig(path string) (*config, error) {
	c := &config{file: path}
	if path == "" {
		return c, nil
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading config: %w", err)
	}
	if c.ast, err = parser.ParseBytes(raw, 0); err != nil {
		return nil, yamlProblem(path, err)
	}
	var wrong []error
	for _, doc := range c.ast.Docs {
		switch body := doc.Body.(type) {
		case nil:
		case *ast.MappingNode:
			for _, entry := range body.Values {
				wrong = append(wrong, c.readSection(entry)...)
			}
		default:
			line, column := place(body.GetToken())
			wrong = append(wrong, &problem{path, line, column, errors.New("a config is a table of settings")})
		}
	}
	return c, errors.Join(wrong...)
}

func (c *config) readSection(entry *ast.MappingValueNode) (wrong []error) {
	into := map[string]any{
		"listen": &c.Listen, "admin": &c.Admin, "data": &c.Data, "policy": &c.Policy, "keys": &c.Keys, "geo": &c.Geo,
		"trust": &c.Trust, "kafka": &c.Kafka, "journal": &c.Journal, "dedup": &c.Dedup, "files": &c.Files, "topics": &c.Topics, "cookies": &c.Cookies,
		"limits": &c.Limits, "node": &c.Node,
	}[entry.Key.String()]
	if list, ok := entry.Value.(*ast.SequenceNode); ok && entry.Key.String() == "sources" {
		for _, item := range list.Values {
			var s sourceConfig
			if err := yaml.NodeToValue(item, &s, yaml.Strict()); err != nil {
				wrong = append(wrong, yamlProblem(c.file, err))
			}
			c.Sources = append(c.Sources, s)
		}
		return wrong
	}
	if into == nil {
		line, column := place(entry.Key.GetToken())
		return []error{&problem{c.file, line, column, fmt.Errorf("%s: there is no such setting, or not in this form", entry.Key)}}
	}
	if err := yaml.NodeToValue(entry.Value, into, yaml.Strict()); err != nil {
		return []error{yamlProblem(c.file, err)}
	}
	return nil
}

// yamlProblem keeps place and message of the library's error, without the
// excerpt: a config may hold what belongs in no log.
func yamlProblem(file string, err error) error {
	var y yaml.Error
	if errors.As(err, &y) {
		line, column := place(y.GetToken())
		return &problem{file, line, column, errors.New(y.GetMessage())}
	}
	return &problem{file, 1, 1, errors.New(strings.SplitN(err.Error(), "\n", 2)[0])}
}
