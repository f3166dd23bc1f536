package main

import (
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"

	"assent/strictyaml"
)

// problems gathers everything that is wrong with a config, so that one check shows
// it all. A problem never holds a value of the file: that may be a secret that
// slipped into the wrong key.
type problems struct {
	config *config
	strictyaml.Report
}

// problems of the config, none yet.
func (c *config) problems() *problems {
	return &problems{c, strictyaml.Report{File: c.file}}
}

// add reports a mistake at a YAML path such as $.sources[0].kind; a value that the
// file does not hold came from a flag or a variable and has no place.
func (p *problems) add(at, format string, args ...any) {
	var place strictyaml.Pos
	if n := p.config.tree.At(at); n != nil {
		place = n.Pos
	}
	p.AddAt(place, at, format, args...)
}

// addAll reports each mistake that a wing joined, at the setting of the section with
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
		if p.config.tree.At(at) == nil {
			p.add("$."+section, "%s", text)
			continue
		}
		p.add(at, "%s", strings.TrimLeft(text[len(name):], ":, "))
	}
}

// err is the problems as an error; nil: none.
func (p *problems) err() error {
	if len(p.List) == 0 {
		return nil
	}
	return p.List
}

// readConfig reads a file strictly and reports every mistake with its place; what
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
	docs, wrong := strictyaml.Parse(raw, false)
	if wrong != nil {
		wrong.File = path
		return nil, strictyaml.Problems{*wrong}
	}
	p := c.problems()
	if len(docs) > 0 { // else nothing but comments
		c.tree = docs[0]
		p.read("$", c.tree, reflect.ValueOf(c).Elem())
	}
	if len(docs) > 1 {
		p.AddAt(docs[1].Pos, "", "a second document begins here: a config is one")
	}
	return c, p.err()
}

// read reads a value into a field and reads on after a mistake.
func (p *problems) read(at string, n *strictyaml.Node, to reflect.Value) {
	switch n.Kind {
	case strictyaml.Null:
		p.AddAt(n.Pos, at, "is empty: write a value or leave the key out")
		return
	case strictyaml.Alias:
		p.AddAt(n.Pos, at, "the alias has no anchor above it, or is part of it")
		return
	case strictyaml.Tagged:
		p.read(at, n.Items[0], to)
		return
	}
	switch to.Kind() {
	case reflect.Pointer:
		to.Set(reflect.New(to.Type().Elem()))
		p.read(at, n, to.Elem())
	case reflect.Struct:
		p.table(at, n, to)
	case reflect.Slice:
		p.items(at, n, to)
	default:
		if n.Kind != strictyaml.Scalar {
			p.AddAt(n.Pos, at, "is %s: write a single value", n.Kind)
		} else if want := set(to, n.Text); want != "" {
			p.AddAt(n.Pos, at, "write %s", want)
		}
	}
}

// table reads the keys of a table into the fields that bear their names.
func (p *problems) table(at string, n *strictyaml.Node, to reflect.Value) {
	if n.Kind != strictyaml.Table {
		p.AddAt(n.Pos, at, "is %s: write a table of keys", n.Kind)
		return
	}
	fields := map[string]reflect.Value{}
	var known []string
	for _, f := range reflect.VisibleFields(to.Type()) { // those of an embedded struct are keys of the same table
		if name := f.Tag.Get("yaml"); name != "" {
			fields[name] = to.FieldByIndex(f.Index)
			known = append(known, name)
		}
	}
	for i, key := range n.Keys {
		if field, ok := fields[key.Text]; ok {
			p.read(at+"."+key.Text, n.Items[i], field)
			continue
		}
		hint := strictyaml.DidYouMean(key.Text, known)
		if hint == "" {
			hint = "; known are " + strings.Join(known, ", ")
		}
		p.AddAt(key.Pos, at, "unknown key %q%s", key.Text, hint)
	}
}

// items reads the items of a list. An item with mistakes keeps its place.
func (p *problems) items(at string, n *strictyaml.Node, to reflect.Value) {
	if n.Kind != strictyaml.List {
		p.AddAt(n.Pos, at, "is %s: write a list", n.Kind)
		return
	}
	to.Set(reflect.MakeSlice(to.Type(), len(n.Items), len(n.Items)))
	for i, item := range n.Items {
		p.read(fmt.Sprintf("%s[%d]", at, i), item, to.Index(i))
	}
}

// set puts a text into a field and returns what should be written instead if it
// does not fit.
func set(to reflect.Value, text string) (want string) {
	if to.Type() == reflect.TypeFor[time.Duration]() {
		d, err := time.ParseDuration(text)
		if err != nil {
			return "a time with its unit, such as 500ms, 10s or 12h"
		}
		to.SetInt(int64(d))
		return ""
	}
	switch to.Kind() {
	case reflect.String:
		to.SetString(text)
	case reflect.Bool:
		if !strings.EqualFold(text, "true") && !strings.EqualFold(text, "false") {
			return "true or false"
		}
		to.SetBool(strings.EqualFold(text, "true"))
	case reflect.Float64:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return "a number, such as 0.8"
		}
		to.SetFloat(f)
	case reflect.Int, reflect.Int64:
		i, err := strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 10, 64)
		if err != nil {
			return "a whole number in digits, without a unit"
		}
		to.SetInt(i)
	case reflect.Uint16:
		i, err := strconv.ParseUint(strings.ReplaceAll(text, "_", ""), 10, 16)
		if err != nil {
			return "a whole number from 0 to 65535"
		}
		to.SetUint(i)
	default:
		panic("BUG: config has a field of type " + to.Type().String())
	}
	return ""
}
