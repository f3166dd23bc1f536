package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"assent/redact"
	"assent/strictyaml"
)

// A formRow is how a document writes an action of redact.
type formRow struct {
	name   string
	kind   redact.Kind
	reads  []string             // its parameters
	needs  bool                 // it must have them all
	always bool                 // it may stand under always
	ownKey bool                 // it is a key of always, and never a do
	text   func(f *Form) string // what it does, for a person; nil: its name says it
}

// forms has a row for each action.
var forms = []formRow{
	{name: "truncate", kind: redact.Truncate, always: true},
	{
		name: "hmac", kind: redact.HMAC, reads: []string{"key"}, needs: true,
		text: func(f *Form) string { return "hmac with key " + f.Key },
	},
	{name: "coarsen", kind: redact.Coarsen, reads: []string{"to", "step"}, always: true, // checkForm: either
		text: func(f *Form) string { return "coarsen to " + f.Step }},
	{
		name: "mask", kind: redact.Mask, reads: []string{"last"}, always: true,
		text: func(f *Form) string { return fmt.Sprintf("mask but the last %d", f.Last) },
	},
	{
		name: "replace", kind: redact.Replace, reads: []string{"with"}, needs: true,
		text: func(f *Form) string { return "replace with " + f.With },
	},
	{
		name: "strip_query", kind: redact.StripQuery, always: true, ownKey: true,
		text: func(f *Form) string { return "strip_query but " + orNone(f.List) },
	},
}

// row is that of the form's action; none: the zero row.
func (f *Form) row() formRow {
	for _, row := range forms {
		if row.name == f.Do {
			return row
		}
	}
	return formRow{}
}

// doNames lists the actions that a do may name and which pass a test.
func doNames(test func(formRow) bool) (names []string) {
	for _, row := range forms {
		if !row.ownKey && test(row) {
			names = append(names, row.name)
		}
	}
	return names
}

// form adds the readers of an action and its parameters to those of its table.
func (r *reader) form(f *Form, readers map[string]func(*strictyaml.Node), what string) {
	names := slices.Sorted(slices.Values(doNames(func(formRow) bool { return true })))
	readers["do"] = func(v *strictyaml.Node) { f.Do = r.oneOf(v, what+": do", names) }
	readers["key"] = func(v *strictyaml.Node) {
		if f.Key = v.Str(r.Report, what+": key"); f.Key != "" {
			r.identifier(v, what+": key")
		}
	}
	readers["to"] = func(v *strictyaml.Node) { f.Step = r.oneOf(v, what+": to", []string{"hour", "day", "month", "year"}) }
	readers["step"] = func(v *strictyaml.Node) { f.Step = v.Str(r.Report, what+": step") }
	readers["last"] = func(v *strictyaml.Node) { f.Last = uint8(v.Number(r.Report, what+": last", 0, 16)) }
	readers["with"] = func(v *strictyaml.Node) {
		if v.Is(r.Report, strictyaml.Scalar, what+": with") {
			f.With = jsonOf(v)
		}
	}
}

// checkForm reports parameters that the action does not read, or lacks. n is the
// table they were written in.
func (r *reader) checkForm(f *Form, n *strictyaml.Node, what string) {
	row := f.row()
	if row.name == "" || row.ownKey {
		return
	}
	have := func(name string) *strictyaml.Node {
		for i, k := range n.Keys {
			if k.Text == name {
				return n.Items[i]
			}
		}
		return nil
	}
	for _, name := range []string{"key", "to", "step", "last", "with"} {
		switch v := have(name); {
		case v != nil && !slices.Contains(row.reads, name):
			r.Addf(v.Pos, "%s: %s does not read %s: remove it", what, f.Do, name)
		case v == nil && row.needs && slices.Contains(row.reads, name):
			r.Addf(f.Pos, "%s: %s needs %s: add it", what, f.Do, name)
		}
	}
	if row.kind == redact.Coarsen && (have("to") == nil) == (have("step") == nil) {
		r.Addf(f.Pos, "%s: coarsen needs either to: hour, day, month or year, or step: a number", what)
	}
}

// action is the form as redact takes it. keys answers with the named ring,
// newest first; nil stands for any.
func (f *Form) action(keys func(string) []redact.Key) (redact.Action, error) {
	a := redact.Action{Do: f.row().kind, Step: f.Step, Last: f.Last, Allow: f.List, Value: f.With}
	if f.broken {
		return redact.Action{}, nil
	}
	if a.Do != redact.HMAC {
		return a, nil
	}
	if keys == nil {
		return a, errors.New("no keys are configured")
	}
	ring := keys(f.Key)
	if len(ring) == 0 {
		return a, fmt.Errorf("key %q is not configured", f.Key)
	}
	a.Key = ring[0]
	return a, nil
}

// Text describes the form to a person.
func (f *Form) Text() string {
	if text := f.row().text; text != nil {
		return text(f)
	}
	return f.Do
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// jsonOf writes a scalar as JSON: a plain number, truth value or null as it
// stands, all else as a string.
func jsonOf(n *strictyaml.Node) string {
	if n.Plain && json.Valid([]byte(n.Text)) {
		return n.Text
	}
	return string(redact.AppendQuoted(nil, n.Text))
}
