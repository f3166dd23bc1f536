package policy

import (
	"testing"

	"assent/consent"
)

// wide is an event with every field that the shipped policies name, and more.
const wide = `{"type":"track","event":"Order Completed","name":"n","messageId":"m","timestamp":"2026-11-22T10:11:12Z",
"anonymousId":"a","userId":"u","previousId":"p","groupId":"g","channel":"web","unnamed":1,
"context":{"ip":"203.0.113.77","userAgent":"M/5","locale":"fr","timezone":"Europe/Paris","library":{"name":"a","version":"1"},
"page":{"url":"https://x.example/?a=b&utm_source=c","path":"/","title":"t","referrer":"https://y.example/?q=z"},
"campaign":{"name":"n"},"device":{"type":"tv","id":"d"},"os":{"name":"o"},"screen":{"width":1},"app":{"name":"x"}},
"properties":{"order_id":"o","total":1.5,"email":"ann@x.example","coupon":"c","query":"q","products":[{"sku":"s","product_id":1,"note":"x"}]},
"traits":{"email":"ann@x.example","phone":"1","birthday":"1990-05-17","createdAt":"2024-03-09T10:11:12Z","plan":"p","address":{"country":"FR"}}}`

// TestMonotone: over all sets of purposes of each shipped policy, fewer grants
// never allow more, and never leave a field whole that more grants reduce.
func TestMonotone(t *testing.T) {
	kinds := []EventKind{{}, {[]byte("track"), []byte("Order Completed")}, {[]byte("track"), []byte("Ad Clicked")}, {[]byte("identify"), nil}}
	for name, data := range shipped(t) {
		p := mustCompile(t, name, data)
		leaves, err := leavesOf([]byte(wide))
		if err != nil {
			t.Fatal(err)
		}
		for _, code := range []string{"", "FR", "US-CA", "US", "BR", "CA-QC"} {
			r := p.Regime(place(t, code), frozen)
			for _, gpc := range []bool{false, true} {
				all := p.Purposes().All()
				outcomes := map[consent.PurposeSet]outcome{}
				for granted := consent.PurposeSet(0); ; granted = (granted - all) & all {
					outcomes[granted] = p.outcome(r, resolve(r, p, granted, 0, gpc), Source{General}, kinds, leaves)
					if granted == all {
						break
					}
				}
				for granted, o := range outcomes {
					for i := range p.Purposes().Len() {
						if fewer := granted.Without(i); !outcomes[fewer].within(o) {
							t.Errorf("%s in %q, gpc %v: %b allows more than %b", name, code, gpc, fewer, granted)
						}
					}
					for why, narrower := range map[string]outcome{
						"denial":  p.outcome(r, resolve(r, p, granted, 1<<1|1<<2, gpc), Source{General}, kinds, leaves),
						"signal":  p.outcome(r, resolve(r, p, granted, 0, true), Source{General}, kinds, leaves),
						"child":   p.outcome(r, resolve(r, p, granted, 0, gpc), Source{Children}, kinds, leaves),
						"nothing": p.outcome(r, nil, Source{General}, kinds, leaves),
						"nowhere": p.outcome(nil, resolve(r, p, granted, 0, gpc), Source{General}, kinds, leaves),
					} {
						if !narrower.within(o) {
							t.Errorf("%s in %q, gpc %v, granted %b: a %s allows more", name, code, gpc, granted, why)
						}
					}
				}
			}
		}
	}
}

// outcome ranks everything a decision gives: gates, words and fields.
type outcome struct {
	words []uint64
	ranks []int // 0 nothing, 1 the form of otherwise, 2 whole or as always has it
}

func (o outcome) within(wider outcome) bool {
	for i, w := range o.words {
		if w&^wider.words[i] != 0 {
			return false
		}
	}
	for i, r := range o.ranks {
		if r > wider.ranks[i] {
			return false
		}
	}
	return true
}

func (p *Policy) outcome(r *Regime, res *consent.Resolution, s Source, kinds []EventKind, leaves []leaf) (o outcome) {
	var d Decision
	gate := func(open bool) {
		rank := 0
		if open {
			rank = 1
		}
		o.ranks = append(o.ranks, rank)
	}
	for _, k := range kinds {
		p.Decide(s, r, res, k, &d)
		for _, pl := range d.Plans {
			gate(pl.Pass)
		}
	}
	gate(p.NeedsID(s, r, res))
	o.words = append(o.words, d.Allowed)
	e := explainer{Policy: p}
	for i := range d.Plans {
		pl := &d.Plans[i]
		o.words = append(o.words, pl.Allowed, uint64(pl.Purposes))
		pl.Pass = true
		for _, l := range leaves {
			l.rule = e.ruleOf(&l)
			rule := l.rule
			kept, reduced := e.judge(pl, &l)
			f := e.fate(pl, rule, kept, reduced)
			switch {
			case f.Fate != Kept && f.Fate != Reduced:
				o.ranks = append(o.ranks, 0)
			case rule.Otherwise != nil && f.Line == rule.Otherwise.Pos.Line && f.Form == rule.Otherwise.Form.Text():
				o.ranks = append(o.ranks, 1)
			default:
				o.ranks = append(o.ranks, 2)
			}
		}
	}
	return o
}
