package policy

import (
	"crypto/sha256"
	_ "embed" // the default policy
	"encoding/hex"
	"encoding/json"
	"slices"

	"assent/consent"
	"assent/consent/signals"
	"assent/geo"
	"assent/redact"
	"assent/strictyaml"
)

//go:embed default.yaml
var defaultYAML []byte

// Default returns the policy document in the binary. The caller may keep it.
func Default() []byte { return append([]byte(nil), defaultYAML...) }

// Recipient is one receiver, compiled.
type Recipient struct {
	Name      string // the key in the document
	Topic     string
	Role      string
	Purposes  consent.PurposeSet // the ones it serves
	Company   string             // its legal name; may be empty, as the next two
	Country   string
	Safeguard string
	Line      int

	program          *redact.Program
	visitor, message idField // anonymousId and messageId
}

// IDForm is the form in which a recipient may have an id.
type IDForm uint8

// The forms.
const (
	IDDropped IDForm = iota // not at all
	IDWhole                 // as it came or was supplied
	IDReduced               // after an action of its rule
)

// idField is what a recipient may have of an id. The zero value is one that the
// policy does not name.
type idField struct {
	keep, otherwise test
	whole           bool // kept, it is untouched
}

func idFieldOf(r *redact.Rule) idField {
	return idField{test{r.Any, r.All}, test{r.Else.Any, r.Else.All}, r.Keep.Do == redact.None}
}

// kept is the form of the id under a mask.
func (f *idField) kept(mask uint64) IDForm {
	switch {
	case f.keep.passes(mask) && f.whole:
		return IDWhole
	case f.keep.passes(mask), f.otherwise.passes(mask):
		return IDReduced
	}
	return IDDropped
}

// Options is what a document leaves to the program that runs it.
type Options struct {
	// Keys returns the named ring of keys for hmac, newest first; empty: none.
	Keys func(name string) []redact.Key
	// Offers are the paths of what Assent itself supplies, in the order of the
	// indices of redact.Supply.
	Offers []string
	// Reserved are topics that no recipient may have, with what in the
	// configuration has them.
	Reserved map[string]string
	// Table is the law; nil: the built-in one.
	Table *Table
}

// Policy is a document compiled: the program that decides. Immutable; any number
// of goroutines may use it.
type Policy struct {
	doc        *Document
	hash       string
	recipients []*Recipient
	routes     routes
	offers     []string
	keys       func(name string) []redact.Key
	layout     *layout
	finder     *redact.Program // finds which field rule judges a value
	masks
	timeline
}

// Compile turns a document made by Parse into a policy. What can still be wrong
// is what the options lack or have taken: a key that is not configured, an offer
// that is no path, a reserved topic. And what is too much: a choice cookie that
// browsers would not keep, the names of signals.
func Compile(d *Document, o Options) (*Policy, strictyaml.Problems) {
	ps := &strictyaml.Report{File: d.File}
	if o.Table == nil {
		o.Table = RegimeTable()
	}
	p := &Policy{doc: d, offers: o.Offers, keys: o.Keys, layout: newLayout(d)}
	p.compilePurposes(ps)
	p.compileRecipients(ps, o.Reserved)
	if len(ps.List) > 0 {
		return nil, ps.Sorted()
	}
	if err := p.compileFinder(); err != nil {
		panic("BUG: paths that compiled for every recipient no longer do: " + err.Error())
	}
	p.routes.compile(d, p.layout)
	var established []geo.Jurisdiction
	for _, place := range d.Controller.Established {
		j, _ := geo.Parse(place) // refused by Parse if it is none; then Unknown, the strictest
		established = append(established, j)
	}
	p.timeline.compile(&p.masks, o.Table, established)
	canonical, err := json.Marshal(d)
	if err != nil {
		panic("BUG: a document that has no JSON form: " + err.Error())
	}
	sum := sha256.Sum256(canonical)
	p.hash = hex.EncodeToString(sum[:])
	return p, nil
}

func (p *Policy) compilePurposes(ps *strictyaml.Report) {
	var list []consent.Purpose
	for i, u := range p.doc.Purposes {
		basis, err := consent.ParseBasis(u.Basis)
		if err != nil {
			ps.Addf(u.Pos, "purpose %s: %v", u.Name, err)
		}
		list = append(list, consent.Purpose{
			Name: u.Name, Basis: basis, Revision: u.Revision,
			Sale: u.Sale, TargetedAds: u.TargetedAds, Signals: u.Signals,
			KeepsID: slices.ContainsFunc(p.doc.Fields, func(f *FieldRule) bool { return f.Path == idPath && f.suffices(u.Name) }),
		})
		if u.Sale || u.TargetedAds {
			p.notForChildren |= 1 << i
		}
		if basis.Chooses() {
			p.withdrawable |= 1 << i
		}
		if device := p.layout.deviceBits[u.Name]; device != 0 {
			p.deviceBits = append(p.deviceBits, deviceBit{1 << i, device})
			p.withdrawable |= device
			if p.notForChildren>>i&1 != 0 {
				p.notForChildren |= device
			}
		}
	}
	for _, bit := range p.layout.sensitive {
		p.sensitive |= bit
	}
	var err error
	if p.purposes, err = consent.NewPurposes(list); err != nil {
		ps.Addf(start, "purposes: %v", err)
		return
	}
	if n := p.purposes.LongestCookie() - consent.MaxCookie; n > 0 {
		ps.Addf(p.doc.Purposes[0].Pos, "purposes: the cookie that remembers a choice could take %d bytes more than the %d that every browser keeps: "+
			"shorten the names of purposes, or declare fewer that a person chooses", n, consent.MaxCookie)
	}
	if p.signals, err = signals.NewReader(p.purposes); err != nil {
		ps.Addf(start, "purposes: %v", err)
	}
	p.all = uint64(p.purposes.All())
}

func (p *Policy) compileRecipients(ps *strictyaml.Report, reserved map[string]string) {
	actions := make([][2]redact.Action, len(p.doc.Fields))
	for i, f := range p.doc.Fields {
		keep, fallback, err := f.actions(p.keys)
		if err != nil {
			ps.Addf(f.Pos, "field %s: %v", f.Path, err)
		}
		actions[i] = [2]redact.Action{keep, fallback}
	}
	if len(ps.List) > 0 {
		return
	}
	for _, u := range p.doc.Recipients {
		if other, taken := reserved[u.Topic]; taken {
			ps.Addf(u.atTopic(), "recipient %s: topic %q is that of %s in the configuration: change one of them", u.ID, u.Topic, other)
			continue
		}
		r := &Recipient{
			Name: u.ID, Topic: u.Topic, Role: u.Role, Purposes: p.layout.set(u.Purposes),
			Company: u.Name, Country: u.Country, Safeguard: u.Safeguard, Line: u.Pos.Line,
		}
		rules := p.layout.rules(p.doc, r.Purposes, actions)
		for i := range rules {
			switch rules[i].Path {
			case idPath:
				r.visitor = idFieldOf(&rules[i])
			case messagePath:
				r.message = idFieldOf(&rules[i])
			}
		}
		var err error
		if r.program, err = redact.Compile(rules, p.offers...); err != nil {
			addRuleErrors(ps, p.doc.Fields, err)
			if len(ps.List) == 0 {
				ps.Addf(start, "offers: %v", err)
			}
			return
		}
		p.recipients = append(p.recipients, r)
	}
}

func (p *Policy) compileFinder() (err error) {
	rules := make([]redact.Rule, len(p.doc.Fields))
	for i, f := range p.doc.Fields {
		rules[i] = redact.Rule{Path: f.Path, Any: 1, Days: uint16(i + 1)}
	}
	p.finder, err = redact.Compile(rules, p.offers...)
	return err
}

// idPath is the field that the id cookie is for, messagePath the sender's own id of
// an event.
const (
	idPath      = "anonymousId"
	messagePath = "messageId"
)

// Document returns what the policy was compiled from. The caller changes nothing.
func (p *Policy) Document() *Document { return p.doc }

// Name returns the policy's name.
func (p *Policy) Name() string { return p.doc.Name }

// Version returns the document's version.
func (p *Policy) Version() string { return p.doc.Version }

// Hash returns the hex SHA-256 of the document's canonical form: layout and
// comments do not change it, meaning does.
func (p *Policy) Hash() string { return p.hash }

// Statement returns what the controller tells the public in its own words.
func (p *Policy) Statement() string { return p.doc.Statement }

// Controller returns who decides on purposes and means.
func (p *Policy) Controller() Controller { return p.doc.Controller }

// Purposes returns the vocabulary of choices about this policy.
func (p *Policy) Purposes() *consent.Purposes { return p.purposes }

// Signals reads foreign signals for the purposes.
func (p *Policy) Signals() *signals.Reader { return p.signals }

// Recipients returns the receivers in the document's order.
func (p *Policy) Recipients() []*Recipient { return p.recipients }

// Offers returns the paths Assent supplies, by index.
func (p *Policy) Offers() []string { return p.offers }

// Categories returns the categories of data by index of redact.Tally.RemovedBy;
// index 0 is what no field declares.
func (p *Policy) Categories() []string { return append([]string{"undeclared"}, p.doc.categories()...) }
