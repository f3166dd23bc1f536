package consent

import (
	"fmt"
	"time"
)

// Imagine is the state of a person who made these choices just before now, by an
// affirmative act and for the present revisions, who has an id if they made any: for explanations, never for
// judging a real event. A name that is not declared is an error.
func Imagine(p *Purposes, choices map[string]Status, now time.Time) (*State, error) {
	r := &Record{}
	for name, status := range choices {
		i, ok := p.Index(name)
		switch {
		case !ok:
			return nil, fmt.Errorf("purpose %q is not declared by the policy", name)
		case !p.At(i).Basis.Chooses():
			return nil, fmt.Errorf("purpose %q rests on %s, which is not a choice", name, p.At(i).Basis)
		}
		if status == Unknown {
			continue
		}
		at := now.Add(-time.Second)
		e := Entry{
			Purpose: name, Status: status, Version: Version{Time: at.UnixMicro()}, Since: at.UnixMicro(),
			Revision: p.At(i).Revision, Method: API,
		}
		if status == Granted {
			e.Until = now.AddDate(1, 0, 0).UnixMicro()
		}
		r = r.with(e)
	}
	if len(r.Entries) > 0 {
		r.Subject = Subject{Visitor, "imagined"}
	}
	return Fold(p, r), nil
}
