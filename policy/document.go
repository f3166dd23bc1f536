package policy

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"assent/consent"
	"assent/strictyaml"
)

// Document is a policy as a person wrote it, in writing order: the record of
// processing, the public notice and the source of the program at once. Parse
// makes it; Compile turns it into a Policy. Its JSON form is canonical: the same
// meaning gives the same bytes whatever the layout and comments of the file.
type Document struct {
	File       string           `json:"-"`
	Name       string           `json:"policy"`
	Version    string           `json:"version"`
	Statement  string           `json:"statement,omitempty"`
	Controller Controller       `json:"controller"`
	Purposes   []*PurposeRule   `json:"purposes"`
	Recipients []*RecipientRule `json:"recipients"`
	Defaults   Defaults         `json:"defaults"`
	Events     []*EventRule     `json:"events"`
	Fields     []*FieldRule     `json:"fields"`
}

// Controller decides on purposes and means (GDPR Art. 4(7)) and is named to
// everybody (Art. 13(1)(a), (b)).
type Controller struct {
	Name        string   `json:"name"`
	Contact     string   `json:"contact"`
	DPO         string   `json:"dpo,omitempty"`
	Established []string `json:"established,omitempty"` // places whose law follows the controller everywhere (GDPR Art. 3(1))
}

// Name is a purpose's name where it is used.
type Name struct {
	Text string
	Pos  strictyaml.Pos
}

// MarshalText makes a Name its text in JSON.
func (n Name) MarshalText() ([]byte, error) { return []byte(n.Text), nil }

// PurposeRule declares what data is for and what makes that lawful.
type PurposeRule struct {
	Pos                 strictyaml.Pos      `json:"-"`
	Name                string              `json:"name"`
	Title               string              `json:"title"`    // the name unless written
	Basis               string              `json:"basis"`    // as consent.ParseBasis reads it
	Revision            int                 `json:"revision"` // of what was consented to; 1 unless written
	Sale                bool                `json:"sale,omitempty"`
	TargetedAds         bool                `json:"targeted_ads,omitempty"`
	AudienceMeasurement bool                `json:"audience_measurement,omitempty"`
	Signals             map[string][]string `json:"signals,omitempty"` // vendor's scheme → its names for this purpose

	at map[string]strictyaml.Pos // of what is written of it, by key
}

// RecipientRule declares who receives what is kept (GDPR Art. 13(1)(e), (f)).
type RecipientRule struct {
	Pos       strictyaml.Pos `json:"-"`
	ID        string         `json:"id"` // the key in the document
	Topic     string         `json:"topic"`
	Role      string         `json:"role"` // own, processor or third_party
	Purposes  []Name         `json:"purposes"`
	Name      string         `json:"name,omitempty"`
	Country   string         `json:"country,omitempty"`
	Safeguard string         `json:"safeguard,omitempty"`

	topicPos, countryPos strictyaml.Pos
}

// atTopic is where the topic is said, or would be.
func (p *RecipientRule) atTopic() strictyaml.Pos { return cmp.Or(p.topicPos, p.Pos) }

// Defaults hold for what no rule names.
type Defaults struct {
	Events []Name `json:"events,omitempty"`
}

// EventRule says what an event is for; the first that matches holds. An empty
// Type or Event matches any.
type EventRule struct {
	Pos      strictyaml.Pos `json:"-"`
	Type     string         `json:"type,omitempty"`
	Event    string         `json:"event,omitempty"`
	Purposes []Name         `json:"purposes"`
}

// Need is what must be allowed: one of Purposes, if any are given, and every one
// of All.
type Need struct {
	Purposes []Name `json:"purposes,omitempty"`
	All      []Name `json:"all,omitempty"`
}

// FieldRule declares one field: its purposes, and what becomes of it.
type FieldRule struct {
	Pos       strictyaml.Pos `json:"-"`
	Path      string         `json:"path"`
	Need      `json:",inline"`
	Category  string     `json:"category"`
	Why       string     `json:"why"`
	Retention Retention  `json:"retention,omitzero"`
	Device    *bool      `json:"device,omitempty"` // stored on or read from the device; nil: by Category
	Always    *Form      `json:"always,omitempty"`
	Otherwise *Otherwise `json:"otherwise,omitempty"`
}

// Otherwise is the reduced form kept where the field itself is not.
type Otherwise struct {
	Pos  strictyaml.Pos `json:"-"`
	Need `json:",inline"`
	Form Form   `json:"form"`
	Why  string `json:"why"`
}

// Form is a reduction as written: an action and its parameters.
type Form struct {
	Pos  strictyaml.Pos `json:"-"`
	Do   string         `json:"do"`             // truncate, hmac, coarsen, mask, replace, strip_query
	Key  string         `json:"key,omitempty"`  // hmac: name of the ring of keys
	Step string         `json:"step,omitempty"` // coarsen: a decimal number, or a time unit (written as to)
	Last uint8          `json:"last,omitempty"` // mask: characters left readable at the end
	With string         `json:"with,omitempty"` // replace: a JSON scalar
	List []string       `json:"list,omitempty"` // strip_query: parameters that stay

	broken bool // a problem of it is reported
}

// OnDevice reports whether the field is stored on or read from the person's
// device, where legitimate interest alone is never enough under opt-in (Directive
// 2002/58/EC Art. 5(3)).
func (f *FieldRule) OnDevice() bool {
	if f.Device != nil {
		return *f.Device
	}
	return f.Category == "identifier" || f.Category == "device"
}

// Roles of a recipient.
const (
	RoleOwn        = "own"         // the controller itself
	RoleProcessor  = "processor"   // on its behalf (GDPR Art. 28)
	RoleThirdParty = "third_party" // on its own behalf; some laws call that a sale
)

var roleNames = []string{RoleOwn, RoleProcessor, RoleThirdParty}

// basisNames are the bases in the order in which problems list them.
var basisNames = []string{
	consent.Consent.String(), consent.ExplicitConsent.String(), consent.LegitimateInterest.String(),
	consent.Contract.String(), consent.LegalObligation.String(), consent.VitalInterest.String(), consent.PublicTask.String(),
}

// sensitivePrefix marks categories of GDPR Art. 9 and their like elsewhere.
const sensitivePrefix = "sensitive."

func isSensitive(category string) bool {
	return strings.HasPrefix(category, sensitivePrefix) || category == "sensitive"
}

func (d *Document) purpose(name string) *PurposeRule {
	for _, p := range d.Purposes {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// categories lists those in use, sorted.
func (d *Document) categories() []string {
	set := map[string]bool{}
	for _, f := range d.Fields {
		set[f.Category] = true
	}
	return sortedKeys(set)
}

// candidates are the purposes of which a recipient must serve one.
func (n *Need) candidates() []Name {
	if len(n.Purposes) > 0 {
		return n.Purposes
	}
	return n.All
}

func has(names []Name, name string) bool {
	return slices.ContainsFunc(names, func(n Name) bool { return n.Text == name })
}

func meet(a, b []Name) bool {
	return slices.ContainsFunc(a, func(n Name) bool { return has(b, n.Text) })
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
