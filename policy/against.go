package policy

import (
	"fmt"
	"strings"

	"assent/consent"
	"assent/strictyaml"
)

// Against reports where a new document uses a consent for more than it was given
// for: a consent purpose that gained a field, a category, a recipient or a
// commercial use while its revision stayed (GDPR Art. 7(1): consent is proven for
// what was asked). strictyaml.Problems are placed in the new document.
func Against(old, new *Document) strictyaml.Problems {
	ps := &strictyaml.Report{File: new.File}
	for _, p := range new.Purposes {
		before := old.purpose(p.Name)
		basis, err := consent.ParseBasis(p.Basis)
		if before == nil || err != nil || !basis.Asks() || p.Revision > before.Revision {
			continue
		}
		had := old.uses(before)
		var gained []string
		for _, use := range new.uses(p) {
			if !containsUse(had, use) {
				gained = append(gained, use)
			}
		}
		if len(gained) > 0 {
			ps.Addf(p.Pos, "purpose %s gained %s since version %s: people consented to less; set revision: %d to ask them again",
				p.Name, strings.Join(gained, ", "), old.Version, before.Revision+1)
		}
	}
	return ps.Sorted()
}

// uses lists what a purpose is used for, in the document's order, each once.
func (d *Document) uses(p *PurposeRule) (out []string) {
	add := func(kind, what string) {
		if use := strings.TrimSpace(kind + " " + what); !containsUse(out, use) {
			out = append(out, use)
		}
	}
	if p.Sale {
		add("sale", "")
	}
	if p.TargetedAds {
		add("targeted_ads", "")
	}
	for _, r := range d.Recipients {
		if has(r.Purposes, p.Name) {
			add("recipient", r.ID)
		}
	}
	for _, f := range d.Fields {
		whole := has(f.candidates(), p.Name) || has(f.All, p.Name)
		reduced := f.Otherwise != nil && (has(f.Otherwise.candidates(), p.Name) || has(f.Otherwise.All, p.Name))
		if whole {
			add("field", f.Path)
		}
		if whole || reduced {
			add("category", f.Category)
		}
		if reduced && !whole {
			add("field", fmt.Sprintf("%s (%s)", f.Path, f.Otherwise.Form.Do))
		}
	}
	return out
}

// containsUse: who has the whole of a field has its reduced form.
func containsUse(uses []string, use string) bool {
	whole, _, _ := strings.Cut(use, " (")
	for _, u := range uses {
		if u == use || u == whole {
			return true
		}
	}
	return false
}
