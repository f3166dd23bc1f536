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

// kinds maps the names a document uses to the actions of redact.
var kinds = map[string]redact.Kind{
	"truncate":    redact.Truncate,
	"hmac":        redact.HMAC,
	"coarsen":     redact.Coarsen,
	"mask":        redact.Mask,
	"replace":     redact.Replace,
	"strip_query": redact.StripQuery,
}

// parameters lists what each action of a do reads.
var parameters = map[string][]string{
	"truncate": nil,
	"hmac":     {"key"},
	"coarsen":  {"to", "step"},
	"mask":     {"last"},
	"replace":  {"with"},
}

// form adds the readers of an action and its parameters to those of its table.
func (r *reader) form(f *Form, readers map[string]func(*strictyaml.Node), what string) {
	names := sortedKeys(parameters)
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

// checkForm tells parameters that the action does not read, or lacks. n is the
// table they were written in.
func (r *reader) checkForm(f *Form, n *strictyaml.Node, what string) {
	reads, known := parameters[f.Do]
	if !known {
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
		if v := have(name); v != nil && !slices.Contains(reads, name) {
			r.Addf(v.Pos, "%s: %s does not read %s: remove it", what, f.Do, name)
		}
	}
	switch {
	case f.Do == "hmac" && have("key") == nil, f.Do == "replace" && have("with") == nil:
		r.Addf(f.Pos, "%s: %s needs %s: add it", what, f.Do, reads[0])
	case f.Do == "coarsen" && (have("to") == nil) == (have("step") == nil):
		r.Addf(f.Pos, "%s: coarsen needs either to: hour, day, month or year, or step: a number", what)
	}
}

// action is the form as redact takes it. keys answers with the named ring,
// newest first; nil stands for any.
func (f *Form) action(keys func(string) []redact.Key) (redact.Action, error) {
	a := redact.Action{Do: kinds[f.Do], Step: f.Step, Last: f.Last, Allow: f.List, Value: f.With}
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
	switch f.Do {
	case "hmac":
		return "hmac with key " + f.Key
	case "coarsen":
		return "coarsen to " + f.Step
	case "mask":
		return fmt.Sprintf("mask but the last %d", f.Last)
	case "replace":
		return "replace with " + f.With
	case "strip_query":
		return "strip_query but " + orNone(f.List)
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
