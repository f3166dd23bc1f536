package redact

import (
	"errors"
	"fmt"
)

// Program is a set of rules compiled for one recipient. It does not change,
// and any number of goroutines may use it.
type Program struct {
	root   *node
	offers int // how many were declared, granted or not
}

// RuleError is what is wrong with one rule.
type RuleError struct {
	Index int    // of the rule; of an offer, the number of rules and its index
	Path  string // as it was given
	Err   error
}

func (e *RuleError) Error() string { return fmt.Sprintf("path %q: %v", e.Path, e.Err) }

// Unwrap returns what is wrong.
func (e *RuleError) Unwrap() error { return e.Err }

// Compile makes a program of rules. Offers are the paths of what a Supply may
// hold, by index; a path that no rule covers is never emitted, so that one
// Supply serves the programs of all recipients. The error joins one *RuleError
// for each mistake there is.
func Compile(rules []Rule, offers ...string) (*Program, error) {
	var t trie
	root := t.reach(nil)
	var wrong []error
	for i := range rules {
		if err := t.declare(&rules[i]); err != nil {
			wrong = append(wrong, &RuleError{i, rules[i].Path, err})
		}
	}
	for i, path := range offers {
		if err := t.offer(i, path); err != nil {
			wrong = append(wrong, &RuleError{len(rules) + i, path, err})
		}
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	root.index()
	return &Program{root, len(offers)}, nil
}

func (t *trie) declare(r *Rule) error {
	steps, err := parsePath(r.Path)
	if err != nil {
		return err
	}
	if r.Category >= Categories {
		return fmt.Errorf("category %d is not below %d", r.Category, Categories)
	}
	c := &rule{
		any: r.Any, all: r.All, elseAny: r.Else.Any, elseAll: r.Else.All,
		days: r.Days, category: r.Category, plain: r.Keep.Do == None,
	}
	if c.keep, err = r.Keep.compile(); err != nil {
		return fmt.Errorf("always: %w", err)
	}
	if c.fallback, err = r.Else.Do.compile(); err != nil {
		return fmt.Errorf("otherwise: %w", err)
	}
	if r.Else.Any != 0 && r.Else.Do.Do == None {
		return errors.New("otherwise: no action, which would keep the value as it is")
	}
	n := t.reach(steps)
	place := &n.rule
	if steps[len(steps)-1].kind == '*' {
		place = &n.open
	}
	if *place != nil {
		return errors.New("path is declared twice")
	}
	*place = c
	return nil
}

// offer marks the node of an offer, if a rule covers it, and the way to it.
func (t *trie) offer(i int, path string) error {
	if i >= MaxOffers {
		return fmt.Errorf("more than %d offers", MaxOffers)
	}
	steps, err := parsePath(path)
	if err != nil {
		return err
	}
	for _, s := range steps {
		if s.kind != 'n' {
			return errors.New("an offer is one named value")
		}
	}
	r := t.covering(steps)
	if r == nil {
		return nil
	}
	n := t.root
	for at, s := range steps {
		if n = t.named(n, s.name); n.mark != 0 || at == len(steps)-1 && n.offers != 0 {
			return errors.New("offered twice, or an offer below an offer")
		}
	}
	n.rule, n.mark = r, i+1
	n = t.root
	for _, s := range steps {
		n.offers |= 1 << i
		n = t.named(n, s.name)
	}
	n.offers |= 1 << i
	return nil
}

// covering returns the rule that judges a scalar at the end of names, nil for
// none.
func (t *trie) covering(names []step) *rule {
	n, cover := t.root, t.root.open
	for i, s := range names {
		if n = n.kid(s.name); n == nil {
			return cover
		}
		if i == len(names)-1 {
			return n.rule
		}
		if n.rule != nil {
			cover = nil
		}
		if n.open != nil {
			cover = n.open
		}
	}
	return cover
}
