package policy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"assent/consent"
	"assent/names"
	"assent/redact"
	"assent/strictyaml"
)

// protective are the categories that mean more than a name.
var protective = []string{"identifier", "device", "sensitive"}

// checkCategory refuses what is nearly a protective category: a slip there would
// take the protection away without a word.
func (r *reader) checkCategory(f *FieldRule) {
	name, _, _ := strings.Cut(f.Category, ".")
	if slices.Contains(protective, name) {
		return
	}
	for _, want := range protective {
		if strictyaml.Distance(strings.ToLower(name), want) <= len(want)/5 {
			r.Addf(f.Pos, "field %s: category %q: did you mean %q, which protects the field? else choose a name less like it", f.Path, f.Category, want)
		}
	}
}

// check reports what a well-formed document says that must not stand. It looks at
// nothing but the document.
func (r *reader) check() {
	r.checkPurposes()
	r.checkRecipients()
	r.checkEvents()
	for _, f := range r.doc.Fields {
		r.checkField(f)
		r.checkCategory(f)
	}
	r.checkPaths()
	r.checkRoom()
}

func (r *reader) checkPurposes() {
	if at, written := r.at["purposes"]; written && len(r.doc.Purposes) == 0 {
		r.Addf(at, "no purposes: nothing can be collected without one")
	}
	for _, p := range r.doc.Purposes {
		basis, err := consent.ParseBasis(p.Basis)
		if err == nil && !basis.Chooses() && (p.Sale || p.TargetedAds) {
			r.Addf(p.Pos, "purpose %s: basis %s never carries sale or targeted_ads: use consent, or remove the flag", p.Name, p.Basis)
		}
	}
}

// known finds a declared purpose and reports when there is none.
func (r *reader) known(n Name, what string) *PurposeRule {
	if n.Text == "" {
		return nil
	}
	p := r.doc.purpose(n.Text)
	if p == nil {
		var names []string
		for _, p := range r.doc.Purposes {
			names = append(names, p.Name)
		}
		hint := strictyaml.DidYouMean(n.Text, names)
		if hint == "" {
			hint = "; declared are " + strings.Join(names, ", ")
		}
		r.Addf(n.Pos, "%s: unknown purpose %q%s", what, n.Text, hint)
	}
	return p
}

func (r *reader) checkRecipients() {
	if at, written := r.at["recipients"]; written && len(r.doc.Recipients) == 0 {
		r.Addf(at, "no recipients: nobody receives anything")
	}
	topics := map[string]string{}
	for _, p := range r.doc.Recipients {
		what := "recipient " + p.ID
		for _, n := range p.Purposes {
			r.known(n, what)
		}
		if err := names.Topic(p.Topic); p.Topic != "" && err != nil {
			r.Addf(p.topicPos, "%s: topic %q: %v", what, p.Topic, err)
		} else if names.Reserved(p.Topic) {
			r.Addf(p.topicPos, "%s: topic %q is reserved: choose another", what, p.Topic)
		}
		if other, taken := topics[p.Topic]; taken && p.Topic != "" {
			r.Addf(p.atTopic(), "%s: topic %q is already that of %s: records of two recipients do not mix", what, p.Topic, other)
		}
		topics[p.Topic] = p.ID
		if len(p.Country) > 2 {
			r.Addf(p.countryPos, "%s: country %q: write the country alone", what, p.Country)
		}
		if r.doc.settled(p.Purposes) && r.doc.settledEvents() && !r.doc.receives(p) {
			r.Addf(p.Pos, "%s: no purpose serves it: no event is for any of its purposes, so it would never receive one", what)
		}
	}
}

func (r *reader) checkEvents() {
	d := r.doc
	for _, n := range d.Defaults.Events {
		r.known(n, "defaults.events")
	}
	rest := len(d.Defaults.Events) > 0
	for i, e := range d.Events {
		for _, n := range e.Purposes {
			r.known(n, "event rule")
		}
		for _, above := range d.Events[:i] {
			if above.covers(e) {
				r.Addf(e.Pos, "event rule is unreachable: the rule in line %d matches first: move it up or remove it", above.Pos.Line)
				break
			}
		}
		rest = rest || e.Type == "" && e.Event == ""
	}
	if !rest {
		r.Addf(cmp.Or(r.at["defaults"], r.at["events"], start), "events that no rule matches have no purpose: add defaults: {events: [a purpose]}")
	}
}

// covers says that e matches whatever o matches.
func (e *EventRule) covers(o *EventRule) bool {
	return (e.Type == "" || e.Type == o.Type) && (e.Event == "" || e.Event == o.Event)
}

func (r *reader) checkField(f *FieldRule) {
	what := "field " + f.Path
	r.checkNeed(&f.Need, f, what)
	if f.Otherwise == nil {
		if r.doc.settled(f.candidates()) && !r.doc.serves(&f.Need) {
			r.Addf(f.Pos, "%s is unreachable: no recipient has one of its purposes", what)
		}
		return
	}
	what += ": otherwise"
	r.checkNeed(&f.Otherwise.Need, f, what)
	if r.doc.settled(f.candidates()) && r.doc.settled(f.Otherwise.candidates()) && !r.doc.canApply(f) {
		r.Addf(f.Otherwise.Pos, "%s can never apply: wherever one of its purposes is allowed the field itself is kept, or no recipient has one of them", what)
	}
}

// checkNeed: names are declared, and what is sensitive has explicit consent
// (GDPR Art. 9(2)(a)).
func (r *reader) checkNeed(n *Need, f *FieldRule, what string) {
	explicit := func(names []Name, any bool) bool {
		found, every := false, true
		for _, name := range names {
			p := r.doc.purpose(name.Text)
			is := p != nil && p.Basis == consent.ExplicitConsent.String()
			found, every = found || is, every && (is || p == nil)
		}
		return any && found || !any && every && len(names) > 0
	}
	for _, name := range slices.Concat(n.Purposes, n.All) {
		r.known(name, what)
	}
	if isSensitive(f.Category) && !explicit(n.All, true) && !explicit(n.Purposes, false) {
		r.Addf(f.Pos, "%s: category %s needs explicit consent: give it purposes whose basis is explicit_consent", what, f.Category)
	}
}

// checkPaths lets redact judge paths and actions, all in one program, so
// that they alone define both.
func (r *reader) checkPaths() {
	anyKey, _ := redact.NewKey("any", make([]byte, 32))
	rules := make([]redact.Rule, len(r.doc.Fields))
	for i, f := range r.doc.Fields {
		rules[i].Path = f.Path
		rules[i].Keep, rules[i].Else.Do, _ = f.actions(func(string) []redact.Key { return []redact.Key{anyKey} })
	}
	_, err := redact.Compile(rules)
	addRuleErrors(r.Report, r.doc.Fields, err)
}

// addRuleErrors reports the errors of redact at the fields they are about.
func addRuleErrors(ps *strictyaml.Report, fields []*FieldRule, err error) {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		for _, e := range joined.Unwrap() {
			addRuleErrors(ps, fields, e)
		}
		return
	}
	var re *redact.RuleError
	if errors.As(err, &re) && re.Index < len(fields) {
		f := fields[re.Index]
		ps.Addf(f.Pos, "field %s: %v", f.Path, re.Err)
	}
}

// checkRoom: a decision is one mask, less the bit that would make it all ones,
// and a tally counts a bounded number of categories.
func (r *reader) checkRoom() {
	if len(r.doc.Purposes) <= maxBits { // else the layout itself has no room
		if n := newLayout(r.doc).bits; n > maxBits {
			r.Addf(r.at["purposes"], "%d bits are needed, %d are there: one for each purpose, each legitimate interest used on a device, each sensitive category", n, maxBits)
		}
	} else {
		r.Addf(r.at["purposes"], "%d purposes: %d are the most", len(r.doc.Purposes), maxBits)
	}
	if n := len(r.doc.categories()); n >= redact.Categories {
		r.Addf(r.at["fields"], "%d categories of data: %d are the most", n, redact.Categories-1)
	}
}

// actions are those of always and otherwise.
func (f *FieldRule) actions(keys func(string) []redact.Key) (keep, fallback redact.Action, err error) {
	if f.Always != nil {
		if keep, err = f.Always.action(keys); err != nil {
			return keep, fallback, fmt.Errorf("always: %w", err)
		}
	}
	if f.Otherwise != nil {
		if fallback, err = f.Otherwise.Form.action(keys); err != nil {
			return keep, fallback, fmt.Errorf("otherwise: %w", err)
		}
	}
	return keep, fallback, nil
}

// settled says that names are given and known: what cannot be reached is reported
// only where nothing else is wrong on the way.
func (d *Document) settled(names []Name) bool {
	return len(names) > 0 && !slices.ContainsFunc(names, func(n Name) bool { return d.purpose(n.Text) == nil })
}

func (d *Document) settledEvents() bool {
	return (len(d.Defaults.Events) == 0 || d.settled(d.Defaults.Events)) &&
		!slices.ContainsFunc(d.Events, func(e *EventRule) bool { return !d.settled(e.Purposes) })
}

// receives says whether some event is for one of the recipient's purposes.
func (d *Document) receives(p *RecipientRule) bool {
	return meet(d.Defaults.Events, p.Purposes) ||
		slices.ContainsFunc(d.Events, func(e *EventRule) bool { return meet(e.Purposes, p.Purposes) })
}

// serves says whether some recipient has a purpose of the need.
func (d *Document) serves(n *Need) bool {
	return slices.ContainsFunc(d.Recipients, func(p *RecipientRule) bool { return meet(n.candidates(), p.Purposes) })
}

// canApply says whether, for some recipient and some choice of a person, the
// field itself is not kept and its otherwise is.
func (d *Document) canApply(f *FieldRule) bool {
	for _, p := range d.Recipients {
		if !meet(f.Otherwise.candidates(), p.Purposes) {
			continue
		}
		if !meet(f.candidates(), p.Purposes) || len(f.All) > 0 {
			return true
		}
		always := slices.ContainsFunc(f.Purposes, func(n Name) bool {
			q := d.purpose(n.Text)
			return q != nil && has(p.Purposes, n.Text) &&
				(q.Basis == consent.Contract.String() || q.Basis == consent.LegalObligation.String())
		})
		other := slices.ContainsFunc(f.Otherwise.candidates(), func(n Name) bool {
			return has(p.Purposes, n.Text) && !has(f.Purposes, n.Text)
		})
		if other && !always {
			return true
		}
	}
	return false
}

// Warnings is what a document says that stands but will disappoint: keys that have
// no effect yet, and topics that a broker may not tell apart.
func (d *Document) Warnings() strictyaml.Problems {
	ps := &strictyaml.Report{File: d.File}
	for _, p := range d.Purposes {
		if basis, err := consent.ParseBasis(p.Basis); err == nil && !basis.Chooses() && len(p.Signals) > 0 {
			ps.Addf(p.Pos, "purpose %s: signals have no effect: a purpose that rests on %s is nobody's to refuse", p.Name, p.Basis)
		}
		if p.AudienceMeasurement {
			ps.Addf(p.at["audience_measurement"], "purpose %s: audience_measurement has no effect yet: the purpose is judged by its basis alone", p.Name)
		}
	}
	flat := map[string]string{}
	for _, r := range d.Recipients {
		// Kafka writes both as _ in the names of its metrics.
		key := strings.ReplaceAll(r.Topic, ".", "_")
		if other, taken := flat[key]; taken {
			ps.Addf(r.atTopic(), "recipient %s: topic %q differs from %q only in . and _, which Kafka's metrics do not tell apart", r.ID, r.Topic, other)
		}
		flat[key] = r.Topic
	}
	return ps.Sorted()
}
