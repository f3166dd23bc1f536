package policy

import (
	"slices"
	"strings"

	"assent/consent"
	"assent/strictyaml"
)

// Parse reads a policy document strictly and reports everything that is wrong with
// it at once, each problem with its place and what to do. file only names it in
// the problems. A document with a problem is not returned: there is no half of a
// policy. Input beyond 1 MiB, nesting and aliases beyond reason are refused.
func Parse(file string, data []byte) (*Document, strictyaml.Problems) {
	ps := &strictyaml.Report{File: file}
	root := readTree(ps, data)
	if root == nil {
		return nil, ps.Sorted()
	}
	r := reader{Report: ps, doc: &Document{File: file}, at: map[string]strictyaml.Pos{}}
	r.document(root)
	if root.Kind == strictyaml.Table {
		r.check()
	}
	if len(ps.List) > 0 {
		return nil, ps.Sorted()
	}
	return r.doc, nil
}

func (r *reader) document(n *strictyaml.Node) {
	d := r.doc
	for _, k := range n.Keys {
		r.at[k.Text] = k.Pos
	}
	n.Fields(r.Report, "the policy", map[string]func(*strictyaml.Node){
		"policy":     func(v *strictyaml.Node) { d.Name = r.label(v, "policy") },
		"version":    func(v *strictyaml.Node) { d.Version = r.label(v, "version") },
		"statement":  func(v *strictyaml.Node) { d.Statement = v.Str(r.Report, "statement") },
		"controller": r.controller,
		"purposes": func(v *strictyaml.Node) {
			v.Entries(r.Report, "purposes", func(k, v *strictyaml.Node) { d.Purposes = append(d.Purposes, r.purpose(k, v)) })
		},
		"recipients": func(v *strictyaml.Node) {
			v.Entries(r.Report, "recipients", func(k, v *strictyaml.Node) { d.Recipients = append(d.Recipients, r.recipient(k, v)) })
		},
		"defaults": func(v *strictyaml.Node) {
			v.Fields(r.Report, "defaults", map[string]func(*strictyaml.Node){
				"events": func(v *strictyaml.Node) { d.Defaults.Events = r.names(v, "defaults.events") },
			})
		},
		"events": func(v *strictyaml.Node) {
			v.Each(r.Report, "events", func(v *strictyaml.Node) { d.Events = append(d.Events, r.event(v)) })
		},
		"fields": func(v *strictyaml.Node) {
			v.Entries(r.Report, "fields", func(k, v *strictyaml.Node) { d.Fields = append(d.Fields, r.field(k, v)) })
		},
	}, "policy", "version", "controller", "purposes", "recipients", "fields")
}

func (r *reader) controller(n *strictyaml.Node) {
	c := &r.doc.Controller
	n.Fields(r.Report, "controller", map[string]func(*strictyaml.Node){
		"name":    func(v *strictyaml.Node) { c.Name = v.Str(r.Report, "controller.name") },
		"contact": func(v *strictyaml.Node) { c.Contact = v.Str(r.Report, "controller.contact") },
		"dpo":     func(v *strictyaml.Node) { c.DPO = v.Str(r.Report, "controller.dpo") },
		"established": func(v *strictyaml.Node) {
			v.Each(r.Report, "controller.established", func(v *strictyaml.Node) {
				if place := r.place(v, "controller.established"); place != "" {
					c.Established = append(c.Established, place)
				}
			})
		},
	}, "name")
}

func (r *reader) purpose(key, n *strictyaml.Node) *PurposeRule {
	p := &PurposeRule{Pos: key.Pos, Name: key.Text, Title: key.Text, Revision: 1, at: map[string]strictyaml.Pos{}}
	what := "purpose " + key.Text
	r.identifier(key, "purpose")
	n.Fields(r.Report, what, map[string]func(*strictyaml.Node){
		"title":        func(v *strictyaml.Node) { p.Title = v.Str(r.Report, what+": title") },
		"basis":        func(v *strictyaml.Node) { p.Basis = r.oneOf(v, what+": basis", basisNames) },
		"revision":     func(v *strictyaml.Node) { p.Revision = v.Number(r.Report, what+": revision", 1, 1<<30) },
		"sale":         func(v *strictyaml.Node) { p.Sale = v.Flag(r.Report, what+": sale") },
		"targeted_ads": func(v *strictyaml.Node) { p.TargetedAds = v.Flag(r.Report, what+": targeted_ads") },
		"audience_measurement": func(v *strictyaml.Node) {
			p.AudienceMeasurement, p.at["audience_measurement"] = v.Flag(r.Report, what+": audience_measurement"), v.Pos
		},
		"signals": func(v *strictyaml.Node) { p.Signals = r.signals(v, what+": signals") },
	}, "basis")
	return p
}

func (r *reader) signals(n *strictyaml.Node, what string) map[string][]string {
	out := map[string][]string{}
	readers := map[string]func(*strictyaml.Node){}
	for _, scheme := range consent.Mapped() {
		name := scheme.String()
		readers[name] = func(v *strictyaml.Node) {
			v.Each(r.Report, what+"."+name, func(v *strictyaml.Node) {
				text := v.Str(r.Report, what+"."+name)
				if err := scheme.CheckName(text); text != "" && err != nil {
					r.Addf(v.Pos, "%s.%s: %q: %v", what, name, text, err)
				}
				out[name] = append(out[name], text)
			})
		}
	}
	n.Fields(r.Report, what, readers)
	return out
}

func (r *reader) recipient(key, n *strictyaml.Node) *RecipientRule {
	// Who is not said to be ours is not; a topic that is not said is the contract's.
	p := &RecipientRule{Pos: key.Pos, ID: key.Text, Topic: "events", Role: RoleThirdParty}
	what := "recipient " + key.Text
	r.identifier(key, "recipient")
	n.Fields(r.Report, what, map[string]func(*strictyaml.Node){
		"topic":     func(v *strictyaml.Node) { p.Topic, p.topicPos = v.Str(r.Report, what+": topic"), v.Pos },
		"role":      func(v *strictyaml.Node) { p.Role = r.oneOf(v, what+": role", roleNames) },
		"purposes":  func(v *strictyaml.Node) { p.Purposes = r.names(v, what+": purposes") },
		"name":      func(v *strictyaml.Node) { p.Name = v.Str(r.Report, what+": name") },
		"country":   func(v *strictyaml.Node) { p.Country, p.countryPos = r.place(v, what+": country"), v.Pos },
		"safeguard": func(v *strictyaml.Node) { p.Safeguard = v.Str(r.Report, what+": safeguard") },
	}, "purposes")
	return p
}

func (r *reader) event(n *strictyaml.Node) *EventRule {
	e := &EventRule{Pos: n.Pos}
	n.Fields(r.Report, "event rule", map[string]func(*strictyaml.Node){
		"match": func(v *strictyaml.Node) {
			v.Fields(r.Report, "match", map[string]func(*strictyaml.Node){
				"type":  func(v *strictyaml.Node) { e.Type = v.Str(r.Report, "match.type") },
				"event": func(v *strictyaml.Node) { e.Event = v.Str(r.Report, "match.event") },
			})
		},
		"purposes": func(v *strictyaml.Node) { e.Purposes = r.names(v, "event rule: purposes") },
	}, "match", "purposes")
	return e
}

func (r *reader) field(key, n *strictyaml.Node) *FieldRule {
	f := &FieldRule{Pos: key.Pos, Path: key.Text, Category: "unclassified"}
	what := "field " + key.Text
	n.Fields(r.Report, what, map[string]func(*strictyaml.Node){
		"purposes":  func(v *strictyaml.Node) { f.Purposes = r.names(v, what+": purposes") },
		"all":       func(v *strictyaml.Node) { f.All = r.names(v, what+": all") },
		"category":  func(v *strictyaml.Node) { f.Category = r.label(v, what+": category") },
		"why":       func(v *strictyaml.Node) { f.Why = v.Str(r.Report, what+": why") },
		"retention": func(v *strictyaml.Node) { f.Retention = r.retention(v, what) },
		"device":    func(v *strictyaml.Node) { on := v.Flag(r.Report, what+": device"); f.Device = &on },
		"always":    func(v *strictyaml.Node) { form := r.always(v, what+": always"); f.Always = &form },
		"otherwise": func(v *strictyaml.Node) { f.Otherwise = r.otherwise(v, what+": otherwise") },
	}, "why")
	r.need(n, what)
	return f
}

func (r *reader) otherwise(n *strictyaml.Node, what string) *Otherwise {
	o := &Otherwise{Pos: n.Pos}
	readers := map[string]func(*strictyaml.Node){
		"purposes": func(v *strictyaml.Node) { o.Purposes = r.names(v, what+": purposes") },
		"all":      func(v *strictyaml.Node) { o.All = r.names(v, what+": all") },
		"why":      func(v *strictyaml.Node) { o.Why = v.Str(r.Report, what+": why") },
	}
	o.Form.Pos = n.Pos
	before := len(r.List)
	r.form(&o.Form, readers, what)
	n.Fields(r.Report, what, readers, "do", "why")
	r.need(n, what)
	r.checkForm(&o.Form, n, what)
	o.Form.broken = len(r.List) > before
	return o
}

// always reads the one reduction that holds whatever is allowed:
// {strip_query: [names]} or {do: …} as in otherwise.
func (r *reader) always(n *strictyaml.Node, what string) Form {
	f := Form{Pos: n.Pos}
	readers := map[string]func(*strictyaml.Node){
		"strip_query": func(v *strictyaml.Node) {
			f.Do, f.List = "strip_query", []string{}
			if v.Kind == strictyaml.List && len(v.Items) == 0 {
				return // every parameter goes
			}
			v.Each(r.Report, what+": strip_query", func(v *strictyaml.Node) {
				f.List = append(f.List, v.Str(r.Report, what+": strip_query"))
			})
		},
	}
	r.form(&f, readers, what)
	before := len(r.List)
	n.Fields(r.Report, what, readers)
	switch {
	case f.Do == "" && len(r.List) == before && n.Kind == strictyaml.Table:
		may := doNames(func(row formRow) bool { return row.always })
		last := len(may) - 1
		r.Addf(n.Pos, "%s: write strip_query: [names that stay], or do: %s or %s", what, strings.Join(may[:last], ", "), may[last])
	case f.row().name != "" && !f.row().always:
		r.Addf(n.Pos, "%s: %s has no place here; write it as otherwise", what, f.Do)
	}
	r.checkForm(&f, n, what)
	f.broken = len(r.List) > before
	return f
}

// need reports a rule without a purpose; n is where it should have been.
func (r *reader) need(n *strictyaml.Node, what string) {
	written := slices.ContainsFunc(n.Keys, func(k *strictyaml.Node) bool { return k.Text == "purposes" || k.Text == "all" })
	if n.Kind == strictyaml.Table && !written {
		r.Addf(n.Pos, "%s has no purposes: nothing is kept without one", what)
	}
}

func (r *reader) names(n *strictyaml.Node, what string) (out []Name) {
	n.Each(r.Report, what, func(v *strictyaml.Node) {
		text := v.Str(r.Report, what)
		if slices.ContainsFunc(out, func(o Name) bool { return o.Text == text }) {
			r.Addf(v.Pos, "%s: %q is named twice", what, text)
			return
		}
		out = append(out, Name{text, v.Pos})
	})
	return out
}

func (r *reader) retention(n *strictyaml.Node, what string) Retention {
	if !n.Is(r.Report, strictyaml.Scalar, what+": retention") {
		return Retention{}
	}
	out, err := ParseRetention(n.Text)
	if err != nil {
		r.Addf(n.Pos, "%s: retention: %v", what, err)
	}
	return out
}
