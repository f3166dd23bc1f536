package policy

import (
	"slices"
	"strings"

	"assent/names"
)

// Parse reads a policy document strictly and tells everything that is wrong with
// it at once, each problem with its place and what to do. file only names it in
// the problems. A document with a problem is not returned: there is no half of a
// policy. Input beyond 1 MiB, nesting and aliases beyond reason are refused.
func Parse(file string, data []byte) (*Document, Problems) {
	ps := &problems{file: file}
	root := readTree(ps, data)
	if root == nil {
		return nil, ps.sorted()
	}
	r := reader{problems: ps, doc: &Document{File: file}, at: map[string]Pos{}}
	r.document(root)
	if root.kind == table {
		r.check()
	}
	if len(ps.list) > 0 {
		return nil, ps.sorted()
	}
	return r.doc, nil
}

// reader fills a Document from a tree. Every method reads on after a mistake.
type reader struct {
	*problems
	doc *Document
	at  map[string]Pos // the document's own keys
}

func (r *reader) document(n *node) {
	d := r.doc
	for _, k := range n.keys {
		r.at[k.text] = k.pos
	}
	n.fields(r.problems, "the policy", map[string]func(*node){
		"policy":     func(v *node) { d.Name = r.label(v, "policy") },
		"version":    func(v *node) { d.Version = r.label(v, "version") },
		"statement":  func(v *node) { d.Statement = v.str(r.problems, "statement") },
		"controller": r.controller,
		"purposes": func(v *node) {
			v.entries(r.problems, "purposes", func(k, v *node) { d.Purposes = append(d.Purposes, r.purpose(k, v)) })
		},
		"recipients": func(v *node) {
			v.entries(r.problems, "recipients", func(k, v *node) { d.Recipients = append(d.Recipients, r.recipient(k, v)) })
		},
		"defaults": func(v *node) {
			v.fields(r.problems, "defaults", map[string]func(*node){
				"events": func(v *node) { d.Defaults.Events = r.names(v, "defaults.events") },
			})
		},
		"events": func(v *node) {
			v.each(r.problems, "events", func(v *node) { d.Events = append(d.Events, r.event(v)) })
		},
		"fields": func(v *node) {
			v.entries(r.problems, "fields", func(k, v *node) { d.Fields = append(d.Fields, r.field(k, v)) })
		},
	}, "policy", "version", "controller", "purposes", "recipients", "fields")
}

func (r *reader) controller(n *node) {
	c := &r.doc.Controller
	n.fields(r.problems, "controller", map[string]func(*node){
		"name":    func(v *node) { c.Name = v.str(r.problems, "controller.name") },
		"contact": func(v *node) { c.Contact = v.str(r.problems, "controller.contact") },
		"dpo":     func(v *node) { c.DPO = v.str(r.problems, "controller.dpo") },
		"established": func(v *node) {
			v.each(r.problems, "controller.established", func(v *node) {
				if place := r.place(v, "controller.established"); place != "" {
					c.Established = append(c.Established, place)
				}
			})
		},
	}, "name")
}

func (r *reader) purpose(key, n *node) *PurposeRule {
	p := &PurposeRule{Pos: key.pos, Name: key.text, Title: key.text, Revision: 1, at: map[string]Pos{}}
	what := "purpose " + key.text
	r.identifier(key, "purpose")
	n.fields(r.problems, what, map[string]func(*node){
		"title":        func(v *node) { p.Title = v.str(r.problems, what+": title") },
		"basis":        func(v *node) { p.Basis = r.oneOf(v, what+": basis", basisNames) },
		"revision":     func(v *node) { p.Revision = v.number(r.problems, what+": revision", 1, 1<<30) },
		"sale":         func(v *node) { p.Sale = v.flag(r.problems, what+": sale") },
		"targeted_ads": func(v *node) { p.TargetedAds = v.flag(r.problems, what+": targeted_ads") },
		"audience_measurement": func(v *node) {
			p.AudienceMeasurement, p.at["audience_measurement"] = v.flag(r.problems, what+": audience_measurement"), v.pos
		},
		"signals": func(v *node) { p.Signals = r.signals(v, what+": signals", p.at) },
	}, "basis")
	return p
}

func (r *reader) signals(n *node, what string, at map[string]Pos) map[string][]string {
	out := map[string][]string{}
	readers := map[string]func(*node){}
	for scheme, valid := range signalSchemes {
		readers[scheme] = func(v *node) {
			at[scheme] = v.pos
			v.each(r.problems, what+"."+scheme, func(v *node) {
				text := v.str(r.problems, what+"."+scheme)
				if why := valid(text); text != "" && why != "" {
					r.addf(v.pos, "%s.%s: %q: %s", what, scheme, text, why)
				}
				out[scheme] = append(out[scheme], text)
			})
		}
	}
	n.fields(r.problems, what, readers)
	return out
}

func (r *reader) recipient(key, n *node) *RecipientRule {
	// Who is not said to be ours is not; a topic that is not said is the contract's.
	p := &RecipientRule{Pos: key.pos, ID: key.text, Topic: "events", Role: RoleThirdParty}
	what := "recipient " + key.text
	r.identifier(key, "recipient")
	n.fields(r.problems, what, map[string]func(*node){
		"topic":     func(v *node) { p.Topic, p.topicPos = v.str(r.problems, what+": topic"), v.pos },
		"role":      func(v *node) { p.Role = r.oneOf(v, what+": role", roleNames) },
		"purposes":  func(v *node) { p.Purposes = r.names(v, what+": purposes") },
		"name":      func(v *node) { p.Name = v.str(r.problems, what+": name") },
		"country":   func(v *node) { p.Country, p.countryPos = r.place(v, what+": country"), v.pos },
		"safeguard": func(v *node) { p.Safeguard = v.str(r.problems, what+": safeguard") },
	}, "purposes")
	return p
}

func (r *reader) event(n *node) *EventRule {
	e := &EventRule{Pos: n.pos}
	n.fields(r.problems, "event rule", map[string]func(*node){
		"match": func(v *node) {
			v.fields(r.problems, "match", map[string]func(*node){
				"type":  func(v *node) { e.Type = v.str(r.problems, "match.type") },
				"event": func(v *node) { e.Event = v.str(r.problems, "match.event") },
			})
		},
		"purposes": func(v *node) { e.Purposes = r.names(v, "event rule: purposes") },
	}, "match", "purposes")
	return e
}

func (r *reader) field(key, n *node) *FieldRule {
	f := &FieldRule{Pos: key.pos, Path: key.text, Category: "unclassified"}
	what := "field " + key.text
	n.fields(r.problems, what, map[string]func(*node){
		"purposes":  func(v *node) { f.Purposes = r.names(v, what+": purposes") },
		"all":       func(v *node) { f.All = r.names(v, what+": all") },
		"category":  func(v *node) { f.Category = r.label(v, what+": category") },
		"why":       func(v *node) { f.Why = v.str(r.problems, what+": why") },
		"retention": func(v *node) { f.Retention = r.retention(v, what) },
		"device":    func(v *node) { on := v.flag(r.problems, what+": device"); f.Device = &on },
		"always":    func(v *node) { form := r.always(v, what+": always"); f.Always = &form },
		"otherwise": func(v *node) { f.Otherwise = r.otherwise(v, what+": otherwise") },
	}, "why")
	r.need(n, what)
	return f
}

func (r *reader) otherwise(n *node, what string) *Otherwise {
	o := &Otherwise{Pos: n.pos}
	readers := map[string]func(*node){
		"purposes": func(v *node) { o.Purposes = r.names(v, what+": purposes") },
		"all":      func(v *node) { o.All = r.names(v, what+": all") },
		"why":      func(v *node) { o.Why = v.str(r.problems, what+": why") },
	}
	o.Form.Pos = n.pos
	before := len(r.list)
	r.form(&o.Form, readers, what)
	n.fields(r.problems, what, readers, "do", "why")
	r.need(n, what)
	r.checkForm(&o.Form, n, what)
	o.Form.broken = len(r.list) > before
	return o
}

// always reads the one reduction that holds whatever is allowed:
// {strip_query: [names]} or {do: …} as in otherwise.
func (r *reader) always(n *node, what string) Form {
	f := Form{Pos: n.pos}
	readers := map[string]func(*node){
		"strip_query": func(v *node) {
			f.Do, f.List = "strip_query", []string{}
			if v.kind == list && len(v.items) == 0 {
				return // every parameter goes
			}
			v.each(r.problems, what+": strip_query", func(v *node) {
				f.List = append(f.List, v.str(r.problems, what+": strip_query"))
			})
		},
	}
	r.form(&f, readers, what)
	before := len(r.list)
	n.fields(r.problems, what, readers)
	switch {
	case f.Do == "" && len(r.list) == before && n.kind == table:
		r.addf(n.pos, "%s: write strip_query: [names that stay], or do: truncate, coarsen or mask", what)
	case f.Do == "hmac" || f.Do == "replace":
		r.addf(n.pos, "%s: %s has no place here; write it as otherwise", what, f.Do)
	}
	r.checkForm(&f, n, what)
	f.broken = len(r.list) > before
	return f
}

// need tells a rule without a purpose; n is where it should have been.
func (r *reader) need(n *node, what string) {
	written := slices.ContainsFunc(n.keys, func(k *node) bool { return k.text == "purposes" || k.text == "all" })
	if n.kind == table && !written {
		r.addf(n.pos, "%s has no purposes: nothing is kept without one", what)
	}
}

func (r *reader) names(n *node, what string) (out []Name) {
	n.each(r.problems, what, func(v *node) {
		text := v.str(r.problems, what)
		if slices.ContainsFunc(out, func(o Name) bool { return o.Text == text }) {
			r.addf(v.pos, "%s: %q is named twice", what, text)
			return
		}
		out = append(out, Name{text, v.pos})
	})
	return out
}

func (r *reader) retention(n *node, what string) Retention {
	if !n.is(r.problems, scalar, what+": retention") {
		return Retention{}
	}
	out, err := ParseRetention(n.text)
	if err != nil {
		r.addf(n.pos, "%s: retention: %v", what, err)
	}
	return out
}

func (r *reader) oneOf(n *node, what string, known []string) string {
	text := n.str(r.problems, what)
	if text != "" && !slices.Contains(known, text) {
		r.addf(n.pos, "%s: %q is none of %s%s", what, text, strings.Join(known, ", "), DidYouMean(text, known))
	}
	return text
}

// label reads text that goes into a record's headers or a metric's labels.
func (r *reader) label(n *node, what string) string {
	text := n.str(r.problems, what)
	if err := names.Label(text); text != "" && err != nil {
		r.addf(n.pos, "%s: %q %v", what, text, err)
	}
	return text
}

// identifier tells a key that cannot name a purpose, a recipient or a ring of keys.
func (r *reader) identifier(n *node, what string) {
	if err := names.Identifier(n.text); err != nil {
		r.addf(n.pos, "%s %q: %v", what, n.text, err)
	}
}
