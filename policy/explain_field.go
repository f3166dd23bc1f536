package policy

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"assent/consent"
	"assent/redact"
)

// Fates of a field.
const (
	Kept       = "kept"       // byte for byte
	Reduced    = "reduced"    // by always or otherwise
	Removed    = "removed"    // declared, but nothing justifies it here
	Undeclared = "undeclared" // no field of the policy names it
	Withheld   = "withheld"   // the whole event is
)

// FieldFate is what became of one field of the event for one recipient.
type FieldFate struct {
	Path      string   `json:"path"`
	Count     int      `json:"count"`             // occurrences with this fate
	Offered   bool     `json:"offered,omitempty"` // supplied by Assent, not by the sender
	Fate      string   `json:"fate"`
	Reason    string   `json:"reason"`
	Form      string   `json:"form,omitempty"` // the reduction
	Line      int      `json:"line,omitempty"` // of the rule that decided
	Purposes  []string `json:"purposes,omitempty"`
	By        []string `json:"by,omitempty"` // of these, the ones that justify what is kept
	Category  string   `json:"category,omitempty"`
	Why       string   `json:"why,omitempty"`
	Law       []string `json:"law,omitempty"`
	Retention string   `json:"retention,omitempty"`
}

// fields are the fates of all leaves for one recipient; equal ones of one path are
// counted together.
func (e *explainer) fields(pl *Plan) (out []FieldFate) {
	type judged struct {
		rule          *FieldRule
		kept, reduced bool
	}
	type same struct{ path, fate, form string }
	known, at := map[judged]FieldFate{}, map[same]int{}
	for i := range e.leaves {
		l := &e.leaves[i]
		kept, reduced := e.judge(pl, l)
		f, ok := known[judged{l.rule, kept, reduced}]
		if !ok {
			f = e.fate(pl, l.rule, kept, reduced)
			known[judged{l.rule, kept, reduced}] = f
		}
		key := same{l.path, f.Fate, f.Form}
		if first, again := at[key]; again {
			out[first].Count++
			continue
		}
		at[key] = len(out)
		f.Path, f.Count, f.Offered = l.path, 1, l.supply != nil
		out = append(out, f)
	}
	return out
}

// Bounds of what is explained. Each leaf is judged for each recipient, and its path
// is listed for each: an event of many leaves under one long key would cost its
// square.
const (
	maxLeaves = 2000
	maxPaths  = 128 << 10 // bytes, all together
)

// leaf is one value of an event, alone in a document that leads to it, or an offer.
type leaf struct {
	path     string
	document []byte
	supply   *redact.Supply // of an offer
	rule     *FieldRule     // that judges it; nil: none
}

// leavesOf lists scalars, empty containers and arrays of scalars.
func leavesOf(event []byte) (out []leaf, err error) {
	paths := 0
	var walk func(value []byte, path string, before, after []byte) error
	walk = func(value []byte, path string, before, after []byte) error {
		switch {
		case value[0] == '{':
			empty := true
			err := redact.EachMember(value, func(key, value []byte) error {
				empty = false
				head := append(redact.AppendQuoted(append(slices.Clip(before), '{'), key), ':')
				return walk(value, joinPath(path, string(key)), head, append([]byte{'}'}, after...))
			})
			if err != nil || !empty {
				return err
			}
		case value[0] == '[' && !flat(value):
			return redact.EachElement(value, func(value []byte) error {
				return walk(value, path+"[]", append(slices.Clip(before), '['), append([]byte{']'}, after...))
			})
		}
		if paths += len(path); paths > maxPaths {
			return fmt.Errorf("the paths of its values have more than %d bytes together: explain a smaller event", maxPaths)
		}
		if len(out) == maxLeaves {
			return fmt.Errorf("it has more than %d values: explain a smaller event", maxLeaves)
		}
		out = append(out, leaf{path: path, document: slices.Concat(before, value, after)})
		return nil
	}
	return out, walk(bytes.Trim(event, " \t\r\n"), "", nil, nil)
}

// flat says that an array holds scalars only.
func flat(array []byte) bool {
	is := true
	err := redact.EachElement(array, func(value []byte) error {
		is = is && value[0] != '{' && value[0] != '['
		return nil
	})
	return err == nil && is
}

var pathEscaper = strings.NewReplacer(`\`, `\\`, `.`, `\.`, `[`, `\[`, `]`, `\]`, `*`, `\*`)

func joinPath(path, key string) string {
	key = pathEscaper.Replace(key)
	if path == "" {
		return key
	}
	return path + "." + key
}

// judge learns a leaf's fate from the recipient's own program, run on the leaf
// alone, so that what is explained cannot differ from what is done.
func (e *explainer) judge(pl *Plan, l *leaf) (kept, reduced bool) {
	if l.rule == nil {
		return false, false
	}
	var t redact.Tally
	if _, err := pl.Append(nil, l.document, l.supply, &t); err != nil {
		panic("BUG: a value that cannot be read in an event that can: " + err.Error())
	}
	return t.Kept > 0, t.Reduced > 0
}

// fate words what became of a value under a rule, or under none.
func (e *explainer) fate(pl *Plan, rule *FieldRule, kept, reduced bool) (f FieldFate) {
	if rule == nil {
		return FieldFate{Fate: Undeclared, Reason: "no field of the policy names it"}
	}
	f.Line, f.Purposes = rule.Pos.Line, texts(rule.Purposes, rule.All)
	f.Category, f.Why, f.Retention = rule.Category, rule.Why, rule.Retention.String()
	whole := e.met(&rule.Need, rule, pl)
	lacking := e.lacking(&rule.Need, rule, pl)
	o := rule.Otherwise
	switch {
	case !kept && (whole || o != nil && e.met(&o.Need, rule, pl)):
		f.Fate, f.Reason = Removed, "the action does not understand this value"
		return f
	case !kept:
		f.Fate, f.Reason = Removed, lacking
		f.Law = lawOf(e.purposes, f.Purposes)
		return f
	case whole:
		f.By = e.justifying(&rule.Need, rule, pl)
		f.Reason = "allowed: " + strings.Join(f.By, ", ")
	default:
		f.Purposes, f.Form, f.Why, f.Line = texts(o.Purposes, o.All), o.Form.Text(), o.Why, o.Pos.Line
		f.By = e.justifying(&o.Need, rule, pl)
		f.Reason = "allowed: " + strings.Join(f.By, ", ") + "; not whole: " + lacking
	}
	f.Fate = Kept
	if reduced {
		f.Fate = Reduced
		if whole {
			f.Form = rule.Always.Text()
		}
	}
	f.Law = lawOf(e.purposes, f.By)
	return f
}

// met says whether a need is, for the plan's recipient.
func (p *Policy) met(n *Need, f *FieldRule, pl *Plan) bool {
	return p.layout.test(n, f, pl.Recipient.Purposes).passes(pl.Allowed)
}

// ruleOf finds the field rule that judges a leaf with redact's own search:
// a program that keeps all that is declared and counts rules as days.
func (p *Policy) ruleOf(l *leaf) *FieldRule {
	var t redact.Tally
	_, err := p.finder.Append(nil, l.document, redact.Grants{Was: redact.First, Now: 1}, l.supply, &t)
	if err != nil || t.Days == 0 {
		return nil
	}
	return p.doc.Fields[t.Days-1]
}

// lacking says why a need is not met.
func (e *explainer) lacking(n *Need, f *FieldRule, pl *Plan) string {
	candidates, allowed := n.candidates(), consent.PurposeSet(pl.Allowed&e.all)
	served := e.layout.set(candidates) & pl.Recipient.Purposes
	missing := e.layout.set(n.All) &^ allowed
	switch {
	case e.layout.sensitive[f.Category]&^pl.Allowed != 0:
		return "sensitive data is denied here"
	case served == 0:
		return "this recipient does not serve " + strings.Join(texts(candidates), ", ")
	case served&allowed == 0:
		return e.notAllowed(served, pl)
	case missing != 0:
		return e.notAllowed(missing, pl) + ", and needed too"
	}
	return strings.Join(e.Policy.purposes.Names(served&allowed), ", ") + " alone is not enough for a field on the device"
}

// justifying are the purposes of a need that are served and allowed, sorted.
func (p *Policy) justifying(n *Need, f *FieldRule, pl *Plan) (out []string) {
	for _, name := range n.candidates() {
		if p.met(&Need{Purposes: []Name{name}, All: n.All}, f, pl) {
			out = append(out, name.Text)
		}
	}
	for _, name := range n.All {
		if !slices.Contains(out, name.Text) {
			out = append(out, name.Text)
		}
	}
	slices.Sort(out)
	return out
}

func texts(names ...[]Name) (out []string) {
	for _, list := range names {
		for _, n := range list {
			out = append(out, n.Text)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// lawOf joins the law of some purposes, each article once.
func lawOf(purposes []PurposeExplained, names []string) (out []string) {
	for _, p := range purposes {
		if !slices.Contains(names, p.Name) {
			continue
		}
		for _, l := range p.Law {
			if !slices.Contains(out, l) {
				out = append(out, l)
			}
		}
	}
	return out
}

// explainer is one explanation on its way.
type explainer struct {
	*Policy
	event    []byte
	offered  map[string]string
	allowed  uint64 // to the person's data as such, whoever the recipient
	leaves   []leaf // of the event, then of the offers it takes
	supply   *redact.Supply
	purposes []PurposeExplained
}

// notAllowed names purposes that are not, and why if only this recipient is meant.
func (e *explainer) notAllowed(s consent.PurposeSet, pl *Plan) string {
	text := strings.Join(e.Policy.purposes.Names(s), ", ") + ", not allowed"
	if consent.PurposeSet(e.allowed &^ pl.Allowed).Intersects(s) {
		text += " to a third party, whose receiving is a sale here"
	}
	return text
}
