//go:build !race

package policy

import (
	"testing"

	"assent/redact"
)

// TestHotPathAllocatesNothing pins what is done for every event.
func TestHotPathAllocatesNothing(t *testing.T) {
	p := mustCompile(t, "default.yaml", Default())
	event := []byte(wide)
	j, france := place(t, "US-CA"), place(t, "FR")
	res := resolve(p.Regime(j, frozen), p, set(t, p, "analytics"), 0, true)
	k := EventKind{[]byte("track"), []byte("Order Completed")}
	var (
		d     Decision
		out   []byte
		tally redact.Tally
		s     redact.Supply
	)
	run := func() {
		r := p.Both(p.Regime(j, frozen), p.Regime(france, frozen))
		p.Decide(Source{General}, r, res, k, &d)
		p.NeedsID(Source{General}, r, res)
		p.Allowed(Source{General}, r, res)
		s.Reset()
		s.Set(0, "0193-id")
		for i := range d.Plans {
			out, _ = d.Plans[i].Append(out[:0], event, &s, &tally)
		}
	}
	run()
	if n := testing.AllocsPerRun(200, run); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
