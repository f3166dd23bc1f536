package policy

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"assent/consent"
	"assent/redact"
)

// recorded is the state of somebody with these choices on record.
func recorded(p *consent.Purposes, granted, denied consent.PurposeSet) *consent.State {
	r := &consent.Record{}
	for i := range p.Len() {
		e := consent.Entry{Purpose: p.At(i).Name, Revision: p.At(i).Revision, Method: consent.Banner, Since: frozen.Add(-time.Hour).UnixMicro()}
		e.Version.Time = e.Since
		switch {
		case denied.Has(i):
			e.Status = consent.Denied
		case granted.Has(i):
			e.Status, e.Until = consent.Granted, frozen.AddDate(1, 0, 0).UnixMicro()
		default:
			continue
		}
		r.Entries = append(r.Entries, e)
	}
	slices.SortFunc(r.Entries, func(a, b consent.Entry) int { return strings.Compare(a.Purpose, b.Purpose) })
	return consent.Fold(p, r)
}

func (d *Decision) judgement() Judgement {
	return Judgement{Event: d.Event, Allowed: d.Allowed, Shared: d.Shared}
}

// TestRejudgedIsJudgedAtOnce: over all sets of grants and of later denials of each
// shipped policy, in several places, with and without a signal, for adults and
// others: judging again gives the mask, the gate and, byte for byte, the fields that
// judging at once under both would have given, and never a bit that was not allowed.
func TestRejudgedIsJudgedAtOnce(t *testing.T) {
	kinds := []EventKind{{}, {[]byte("track"), []byte("Order Completed")}}
	for name, data := range shipped(t) {
		p := mustCompile(t, name, data)
		var supply redact.Supply
		supply.Set(slices.Index(offers, "messageId"), "0193-id")
		supply.Set(slices.Index(offers, "context.ip"), "203.0.113.77")
		all := p.Purposes().All()
		for _, code := range []string{"", "FR", "US-CA", "BR"} {
			r := p.Regime(place(t, code), frozen)
			for _, s := range []Source{{General}, {Children}} {
				for gpc := range 2 {
					for granted := consent.PurposeSet(0); ; granted = (granted - all) & all {
						for denied := consent.PurposeSet(0); ; denied = (denied - all) & all {
							var first, once Decision
							k := kinds[(int(granted)+int(denied))%2]
							p.Decide(s, r, resolve(r, p, granted, 0, gpc == 1), k, &first)
							p.Decide(s, r, resolve(r, p, granted&^denied, denied, gpc == 1), k, &once)
							state := recorded(p.Purposes(), all, denied)
							for i := range first.Plans {
								rejudged(t, p, &first, &once, i, state, &supply)
							}
							if t.Failed() {
								t.Fatalf("%s in %q, gpc %d, %v, granted %b, denied %b", name, code, gpc, s.Audience, granted, denied)
							}
							if denied == all {
								break
							}
						}
						if granted == all {
							break
						}
					}
				}
			}
		}
	}
}

func rejudged(t *testing.T, p *Policy, first, once *Decision, i int, s *consent.State, supply *redact.Supply) {
	t.Helper()
	was, want := &first.Plans[i], &once.Plans[i]
	again, err := p.Rejudge(first.judgement(), s, was.Recipient.Topic)
	if err != nil {
		t.Error(err)
		return
	}
	if again.Recipient != was.Recipient || again.Was != was.Allowed || again.Allowed != want.Allowed ||
		again.Purposes != want.Purposes || again.Pass != want.Pass {
		t.Errorf("recipient %s: got %+v, want %+v", was.Recipient.Name, again, *want)
	}
	if again.Allowed&^was.Allowed != 0 {
		t.Errorf("recipient %s: %b was allowed, now %b", was.Recipient.Name, was.Allowed, again.Allowed)
	}
	if before := again.Before(); before.Purposes != was.Purposes || before.Visitor() != was.Visitor() {
		t.Errorf("recipient %s: was %+v, remembered as %+v", was.Recipient.Name, *was, before)
	}
	if !want.Pass {
		return
	}
	waiting, err1 := was.Append(nil, []byte(wide), supply, nil)
	got, err2 := again.Append(nil, waiting, nil, nil)
	fresh, err3 := want.Append(nil, []byte(wide), supply, nil)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, fresh) {
		t.Errorf("recipient %s: judged again\n%s\nat once\n%s", was.Recipient.Name, got, fresh)
	}
}

// TestRejudge: what takes something away, and what does not.
func TestRejudge(t *testing.T) {
	p := mustCompileWith(t, "rules.yaml", []byte(allBases), testTable(t))
	all := p.Purposes().All()
	us := p.Regime(place(t, "US"), frozen)
	var d Decision
	p.Decide(Source{General}, us, resolve(us, p, all, 0, false), EventKind{}, &d)
	topic := p.Recipients()[0].Topic
	f := func(what string, s *consent.State, wantLost string) {
		t.Helper()
		again, err := p.Rejudge(d.judgement(), s, topic)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			return
		}
		if lost := consent.PurposeSet((again.Was &^ again.Allowed) & p.all); lost != set(t, p, wantLost) {
			t.Errorf("%s: lost %v, want %s", what, p.Purposes().Names(lost), wantLost)
		}
		for _, bit := range p.deviceBits {
			if again.Allowed&bit.purpose == 0 && again.Allowed&bit.device != 0 {
				t.Errorf("%s: a share of the device outlives its purpose", what)
			}
		}
	}
	f("nothing on record", recorded(p.Purposes(), 0, 0), "")
	f("all granted", recorded(p.Purposes(), all, 0), "")
	f("consent denied", recorded(p.Purposes(), 0, set(t, p, "consent")), "consent")
	f("an objection", recorded(p.Purposes(), 0, set(t, p, "interest adinterest")), "interest adinterest")
	f("all denied", recorded(p.Purposes(), 0, all), "consent sale explicit interest adinterest")
	expired := &consent.Record{Entries: []consent.Entry{{Purpose: "consent", Status: consent.Granted, Until: 1, Method: consent.Banner}}}
	f("a grant long expired", consent.Fold(p.Purposes(), expired), "")
	stale := &consent.Record{Entries: []consent.Entry{{Purpose: "consent", Status: consent.Granted, Revision: 9, Method: consent.Implied}}}
	f("a grant of another revision", consent.Fold(p.Purposes(), stale), "")

	renamed, err := consent.NewPurposes([]consent.Purpose{
		{Name: "consent", Basis: consent.Consent},
		{Name: "interest", Basis: consent.LegitimateInterest},
		{Name: "new", Basis: consent.Consent},
		{Name: "contract", Basis: consent.Contract},
	})
	if err != nil {
		t.Fatal(err)
	}
	f("a new vocabulary, nothing denied", recorded(renamed, renamed.All(), 0), "")
	f("a new vocabulary, something denied", recorded(renamed, 0, 1<<2), "sale explicit adinterest")
	f("a new vocabulary, consent denied", recorded(renamed, 0, 1<<0), "consent sale explicit adinterest")
}

// TestRejudgeWithout: what is missing passes nothing or waits.
func TestRejudgeWithout(t *testing.T) {
	p := mustCompile(t, "default.yaml", Default())
	r := p.Regime(place(t, "FR"), frozen)
	var d Decision
	p.Decide(Source{General}, r, resolve(r, p, p.Purposes().All(), 0, false), EventKind{}, &d)
	nothing := recorded(p.Purposes(), 0, 0)
	unreadable := *nothing
	unreadable.Unreadable = true
	for _, s := range []*consent.State{nil, &unreadable} {
		if _, err := p.Rejudge(d.judgement(), s, "events"); !errors.Is(err, ErrUnreadable) {
			t.Errorf("unreadable: got %v", err)
		}
	}
	if again, err := p.Rejudge(d.judgement(), nothing, "another.topic"); err != nil || again.Pass {
		t.Errorf("no recipient: got %+v, %v", again, err)
	}
	if again, err := p.Rejudge(Judgement{Event: d.Event}, nothing, "events"); err != nil || again.Pass {
		t.Errorf("no masks: got %+v, %v", again, err)
	}
	forged := Judgement{Event: d.Event, Allowed: redact.First, Shared: redact.First}
	if again, err := p.Rejudge(forged, nothing, "events"); err != nil || again.Was == redact.First {
		t.Errorf("a mask of all ones would judge for the first time: got %+v, %v", again, err)
	}
}
