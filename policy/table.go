package policy

import (
	_ "embed" // the law table
	"slices"
	"sync"
	"time"

	"assent/geo"
	"assent/strictyaml"
)

//go:embed regimes.yaml
var regimesYAML []byte

// Mode is what silence means in a regime.
type Mode string

// The modes. Notice is opt-out with a duty to inform; it decides the same.
const (
	OptIn  Mode = "opt_in"
	OptOut Mode = "opt_out"
	Notice Mode = "notice"
)

// What a universal opt-out signal withdraws in a regime.
const (
	withdrawsNothing   = "nothing"
	withdrawsObjection = "objection" // legitimate interests in sale or targeted ads
	withdrawsSale      = "sale"      // these and consent purposes
)

// Law is one row of the table: what a regime says from one day to another.
// Rows are immutable.
type Law struct {
	Name             string            `json:"name"`
	Title            string            `json:"title"`
	Places           []string          `json:"places,omitempty"`
	Unresolved       []string          `json:"unresolved,omitempty"` // countries where it holds if the subdivision is not known
	Elsewhere        bool              `json:"elsewhere,omitempty"`  // holds where no other row does
	From             time.Time         `json:"from,omitzero"`        // midnight UTC; zero: always
	Until            time.Time         `json:"until,omitzero"`       // exclusive; zero: no end
	Mode             Mode              `json:"mode"`
	Affirmative      bool              `json:"affirmative"`
	LifeMonths       int               `json:"life_months,omitempty"` // of a grant; 0: the law names none
	UniversalOptOut  string            `json:"universal_opt_out"`     // nothing, objection or sale
	ThirdPartyIsSale bool              `json:"third_party_is_sale"`
	Sensitive        string            `json:"sensitive"` // consent or denied
	Law              map[string]string `json:"law"`       // source, opt_out, and an article for each basis
	Line             int               `json:"line"`

	places, unresolved []geo.Jurisdiction
}

// Table is the built-in law table, in the order of its file.
type Table struct {
	Version string `json:"version"`
	Rows    []*Law `json:"rows"`
}

// RegimeTable returns the built-in law table.
func RegimeTable() *Table { return builtin() }

var builtin = sync.OnceValue(func() *Table {
	t, ps := parseTable("regimes.yaml", regimesYAML)
	if len(ps) > 0 {
		panic("BUG: the law table in the binary is broken: " + ps.Error())
	}
	return t
})

// Laws returns the rows in force at a place and an instant: at least one, because
// the row elsewhere answers where no other does.
func (t *Table) Laws(j geo.Jurisdiction, now time.Time) []*Law {
	var out []*Law
	for _, l := range t.Rows {
		if !l.Elsewhere && l.inForce(now) && l.covers(j) {
			out = append(out, l)
		}
	}
	if len(out) > 0 {
		return out
	}
	return []*Law{t.elsewhere()}
}

func (t *Table) elsewhere() *Law {
	return t.Rows[slices.IndexFunc(t.Rows, func(l *Law) bool { return l.Elsewhere })]
}

// Dates returns the days on which the table changes, ascending.
func (t *Table) Dates() []time.Time {
	var out []time.Time
	for _, l := range t.Rows {
		for _, d := range []time.Time{l.From, l.Until} {
			if !d.IsZero() {
				out = append(out, d)
			}
		}
	}
	slices.SortFunc(out, time.Time.Compare)
	return slices.CompactFunc(out, time.Time.Equal)
}

func (l *Law) inForce(now time.Time) bool {
	return !now.Before(l.From) && (l.Until.IsZero() || now.Before(l.Until))
}

// covers: a country's law holds in all of its subdivisions.
func (l *Law) covers(j geo.Jurisdiction) bool {
	country := geo.Jurisdiction{Country: j.Country}
	return slices.Contains(l.places, j) || slices.Contains(l.places, country) ||
		j == country && slices.Contains(l.unresolved, j)
}

func parseTable(file string, data []byte) (*Table, strictyaml.Problems) {
	ps := &strictyaml.Report{File: file}
	t := &Table{}
	root := readTree(ps, data)
	if root == nil {
		return nil, ps.Sorted()
	}
	r := reader{Report: ps}
	root.Fields(ps, "the table", map[string]func(*strictyaml.Node){
		"version": func(v *strictyaml.Node) { t.Version = r.label(v, "version") },
		"regimes": func(v *strictyaml.Node) {
			v.Each(ps, "regimes", func(v *strictyaml.Node) { t.Rows = append(t.Rows, r.law(v)) })
		},
	}, "version", "regimes")
	elsewhere := 0
	for _, l := range t.Rows {
		if l.Elsewhere {
			elsewhere++
		}
	}
	if elsewhere != 1 {
		ps.Addf(root.Pos, "%d rows hold elsewhere: one must", elsewhere)
	}
	return t, ps.Sorted()
}

func (r *reader) law(n *strictyaml.Node) *Law {
	l := &Law{Line: n.Pos.Line}
	places := func(what string, names *[]string, out *[]geo.Jurisdiction) func(*strictyaml.Node) {
		return func(v *strictyaml.Node) {
			v.Each(r.Report, what, func(v *strictyaml.Node) {
				name := r.place(v, what)
				j, _ := geo.Parse(name)
				*names, *out = append(*names, name), append(*out, j)
			})
		}
	}
	var mode string
	n.Fields(r.Report, "regime", map[string]func(*strictyaml.Node){
		"name":       func(v *strictyaml.Node) { l.Name = r.label(v, "name") },
		"title":      func(v *strictyaml.Node) { l.Title = v.Str(r.Report, "title") },
		"places":     places("places", &l.Places, &l.places),
		"unresolved": places("unresolved", &l.Unresolved, &l.unresolved),
		"elsewhere":  func(v *strictyaml.Node) { l.Elsewhere = v.Flag(r.Report, "elsewhere") },
		"from":       func(v *strictyaml.Node) { l.From = r.day(v, "from") },
		"until":      func(v *strictyaml.Node) { l.Until = r.day(v, "until") },
		"mode": func(v *strictyaml.Node) {
			mode = r.oneOf(v, "mode", []string{string(OptIn), string(OptOut), string(Notice)})
		},
		"life_months":         func(v *strictyaml.Node) { l.LifeMonths = v.Number(r.Report, "life_months", 1, 120) },
		"affirmative":         func(v *strictyaml.Node) { l.Affirmative = v.Flag(r.Report, "affirmative") },
		"third_party_is_sale": func(v *strictyaml.Node) { l.ThirdPartyIsSale = v.Flag(r.Report, "third_party_is_sale") },
		"sensitive":           func(v *strictyaml.Node) { l.Sensitive = r.oneOf(v, "sensitive", []string{"consent", "denied"}) },
		"universal_opt_out": func(v *strictyaml.Node) {
			l.UniversalOptOut = r.oneOf(v, "universal_opt_out", []string{withdrawsNothing, withdrawsObjection, withdrawsSale})
		},
		"law": func(v *strictyaml.Node) { l.Law = r.articles(v) },
	}, "name", "title", "mode", "affirmative", "universal_opt_out", "third_party_is_sale", "sensitive", "law")
	l.Mode = Mode(mode)
	if l.Elsewhere != (len(l.Places) == 0) {
		r.Addf(n.Pos, "a row has either places or elsewhere: true")
	}
	if !l.Until.IsZero() && !l.From.Before(l.Until) {
		r.Addf(n.Pos, "until must be after from")
	}
	return l
}

func (r *reader) articles(n *strictyaml.Node) map[string]string {
	out := map[string]string{}
	readers := map[string]func(*strictyaml.Node){}
	names := append([]string{"source", "opt_out"}, basisNames...)
	for _, name := range names {
		readers[name] = func(v *strictyaml.Node) { out[name] = v.Str(r.Report, "law."+name) }
	}
	n.Fields(r.Report, "law", readers, names...)
	return out
}

func (r *reader) day(n *strictyaml.Node, what string) time.Time {
	d, err := time.Parse(time.DateOnly, n.Text)
	if err != nil {
		r.Addf(n.Pos, "%s: write a day such as 2026-11-22", what)
	}
	return d
}
