package main

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"assent/policy"
)

// A fieldReader puts what a config file says into the fields of config. Every
// mistake is told in words for whoever writes the file, at the place where it is,
// and never with the value: that may be a secret that slipped into the wrong key.
type fieldReader struct {
	problems
	anchors map[string]ast.Node
}

// read reads a value into a field and reads on after a mistake.
func (r *fieldReader) read(at string, n ast.Node, to reflect.Value) {
	switch v := n.(type) {
	case *ast.NullNode:
		r.addAt(n, at, "is empty: write a value or leave the key out")
		return
	case *ast.AnchorNode:
		r.anchors[v.Name.GetToken().Value] = v.Value
		r.read(at, v.Value, to)
		return
	case *ast.AliasNode:
		name := v.Value.GetToken().Value
		if n = r.anchors[name]; n == nil {
			r.addAt(v, at, "the alias has no anchor above it, or is part of it")
			return
		}
		delete(r.anchors, name) // meanwhile: it may lead back here
		r.read(at, n, to)
		r.anchors[name] = n
		return
	case *ast.TagNode:
		r.read(at, v.Value, to)
		return
	}
	switch to.Kind() {
	case reflect.Pointer:
		to.Set(reflect.New(to.Type().Elem()))
		r.read(at, n, to.Elem())
	case reflect.Struct:
		r.table(at, n, to)
	case reflect.Slice:
		r.items(at, n, to)
	default:
		text, ok := scalar(n)
		if !ok {
			r.addAt(n, at, "is %s: write a single value", shape(n))
			return
		}
		if want := set(to, text); want != "" {
			r.addAt(n, at, "write %s", want)
		}
	}
}

// table reads the keys of a table into the fields that bear their names.
func (r *fieldReader) table(at string, n ast.Node, to reflect.Value) {
	var entries []*ast.MappingValueNode
	switch v := n.(type) {
	case *ast.MappingNode:
		entries = v.Values
	case *ast.MappingValueNode:
		entries = []*ast.MappingValueNode{v}
	default:
		r.addAt(n, at, "is %s: write a table of keys", shape(n))
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
	for _, e := range entries {
		key := e.Key.GetToken().Value
		field, ok := fields[key]
		if !ok {
			hint := policy.DidYouMean(key, known)
			if hint == "" {
				hint = "; known are " + strings.Join(known, ", ")
			}
			r.addAt(e.Key, at, "unknown key %q%s", key, hint)
			continue
		}
		r.read(at+"."+key, e.Value, field)
	}
}

// items reads the items of a list. An item with mistakes keeps its place.
func (r *fieldReader) items(at string, n ast.Node, to reflect.Value) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		r.addAt(n, at, "is %s: write a list", shape(n))
		return
	}
	to.Set(reflect.MakeSlice(to.Type(), len(seq.Values), len(seq.Values)))
	for i, item := range seq.Values {
		r.read(fmt.Sprintf("%s[%d]", at, i), item, to.Index(i))
	}
}

// scalar is the text of a single value as it stands in the file.
func scalar(n ast.Node) (text string, ok bool) {
	switch v := n.(type) {
	case *ast.StringNode:
		return v.Value, true
	case *ast.LiteralNode:
		return strings.TrimRight(v.Value.Value, "\n"), true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// shape says what a value is.
func shape(n ast.Node) string {
	switch n.(type) {
	case *ast.SequenceNode:
		return "a list"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a table of keys"
	case *ast.StringNode, *ast.LiteralNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return "a single value"
	}
	return "something else"
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
