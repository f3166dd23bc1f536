package policy

import "assent/consent"

// EventKind is what an event says it is: its type and event members, unquoted;
// empty where it has none.
type EventKind struct{ Type, Event []byte }

// route is what an event rule says, compiled.
type route struct {
	index, line int
	purposes    consent.PurposeSet
}

// routes finds the first rule that matches a kind with four look-ups at most.
type routes struct {
	both    map[string]map[string]*route // type, then event
	byType  map[string]*route
	byEvent map[string]*route
	rest    *route
}

func (t *routes) compile(d *Document, l *layout) {
	t.both, t.byType, t.byEvent = map[string]map[string]*route{}, map[string]*route{}, map[string]*route{}
	for i, e := range d.Events {
		to := &route{i, e.Pos.Line, l.set(e.Purposes)}
		switch {
		case e.Type != "" && e.Event != "":
			if t.both[e.Type] == nil {
				t.both[e.Type] = map[string]*route{}
			}
			t.both[e.Type][e.Event] = to
		case e.Type != "":
			t.byType[e.Type] = to
		case e.Event != "":
			t.byEvent[e.Event] = to
		default:
			t.rest = to
		}
	}
	if t.rest == nil {
		t.rest = &route{len(d.Events), 0, l.set(d.Defaults.Events)}
	}
}

func (t *routes) find(k EventKind) *route {
	best := t.rest
	for _, r := range [...]*route{t.both[string(k.Type)][string(k.Event)], t.byType[string(k.Type)], t.byEvent[string(k.Event)]} {
		if r != nil && r.index < best.index {
			best = r
		}
	}
	return best
}
