package pages

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"assent/collector"
	"assent/consent"
	"assent/geo"
	"assent/policy"
)

// maxQuestion bounds the body of a question in bytes.
const maxQuestion = 64 << 10

// question is the body of POST /demo/explain: an event as sent, where it comes
// from, what the person chose ("granted" or "denied" by purpose; left out: not
// asked) and whether Sec-GPC came with it.
type question struct {
	Event   json.RawMessage   `json:"event"`
	Region  string            `json:"region"`
	Consent map[string]string `json:"consent"`
	GPC     bool              `json:"gpc"`
}

// explain answers a question with a policy.Explanation, or {"error"}.
func explain(p *policy.Policy) collector.Handler {
	return func(r *collector.Request, a *collector.Answer) {
		a.Header("Content-Security-Policy", csp)
		if string(r.Method) != "POST" {
			a.Header("Allow", "POST")
			fail(a, 405, "a question is asked with POST")
			return
		}
		if len(r.Body) > maxQuestion {
			fail(a, 413, "a question has 64 KiB at most")
			return
		}
		q, err := readQuestion(p, r)
		if err != nil {
			fail(a, 400, err.Error())
			return
		}
		x, err := p.Explain(q)
		if err != nil {
			fail(a, 400, err.Error())
			return
		}
		answerJSON(a, x)
		a.Status = 200
	}
}

// readQuestion reads a body strictly. Its errors name the member, never what is
// in it; encoding/json's own quote what they stumbled over.
func readQuestion(p *policy.Policy, r *collector.Request) (policy.Question, error) {
	var asked question
	d := json.NewDecoder(bytes.NewReader(r.Body))
	d.DisallowUnknownFields()
	if d.Decode(&asked) != nil {
		return policy.Question{}, errors.New("a question is a JSON object of event, region, consent (purpose to granted or denied) and gpc")
	}
	if _, err := d.Token(); err != io.EOF {
		return policy.Question{}, errors.New("something follows the question")
	}
	if len(asked.Event) == 0 {
		return policy.Question{}, errors.New("event: missing")
	}
	place, err := geo.Parse(asked.Region)
	if err != nil {
		return policy.Question{}, errors.New("region: " + err.Error())
	}
	record, err := recordOf(p.Purposes(), asked.Consent, r.Received)
	if err != nil {
		return policy.Question{}, err
	}
	var signals consent.Signals
	if asked.GPC {
		signals.SetGPC([]byte("1"))
	}
	rules := p.Regime(place, r.Received).Rules
	state := consent.Fold(p.Purposes(), record)
	resolution := consent.Resolve(rules, state, &signals, r.Received, r.Received)
	q := policy.Question{
		Source: policy.Source{Audience: policy.General}, Jurisdiction: place, Now: r.Received,
		Resolution: &resolution, Event: asked.Event,
	}
	q.Offers = offers(p, &q, r)
	return q, nil
}

// recordOf is what would be on record had the person just chosen so.
func recordOf(purposes *consent.Purposes, chosen map[string]string, now time.Time) (*consent.Record, error) {
	record := &consent.Record{}
	for name, status := range chosen {
		i, ok := purposes.Index(name)
		if !ok || !purposes.At(i).Basis.Chooses() {
			return nil, errors.New("consent: not a purpose that one can choose")
		}
		e := consent.Entry{Purpose: name, Revision: purposes.At(i).Revision, Method: consent.API}
		switch status {
		case "granted":
			e.Status, e.Since, e.Until = consent.Granted, now.UnixMicro(), now.AddDate(1, 0, 0).UnixMicro()
		case "denied":
			e.Status = consent.Denied
		default:
			return nil, errors.New(`consent: want "granted" or "denied"`)
		}
		record.Entries = append(record.Entries, e)
	}
	slices.SortFunc(record.Entries, func(a, b consent.Entry) int { return strings.Compare(a.Purpose, b.Purpose) })
	return record, nil
}

// offers stand for what the collector itself knows of a request: an address of
// the range reserved for documentation (RFC 5737) in place of the reader's own,
// and the id cookie only while an allowed purpose needs it.
func offers(p *policy.Policy, q *policy.Question, r *collector.Request) map[string]string {
	out := map[string]string{
		"messageId":  "019a9f3e-5c00-7000-8000-000000000001",
		"receivedAt": r.Received.UTC().Format("2006-01-02T15:04:05.000Z"),
		"context.ip": "203.0.113.195",
	}
	if len(r.UserAgent) > 0 {
		out["context.userAgent"] = string(r.UserAgent)
	}
	if p.NeedsID(q.Source, p.Regime(q.Jurisdiction, q.Now), q.Resolution) {
		out["anonymousId"] = "019a9f3e-5c00-7000-8000-0000000000aa"
	}
	return out
}
