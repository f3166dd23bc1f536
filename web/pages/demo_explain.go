package pages

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"strings"

	"assent/collector"
	"assent/consent"
	"assent/consent/signals"
	"assent/geo"
	"assent/policy"
)

// Bounds of a question's body and of its answer, in bytes.
const (
	maxQuestion = 64 << 10
	maxAnswer   = 1 << 20
)

// question is the body of POST /demo/explain: an event as sent, where it comes
// from, what the person chose ("granted" or "denied" by purpose; left out: not
// asked), whether Sec-GPC came with it, and with which cookies of consent managers.
type question struct {
	Event   json.RawMessage   `json:"event"`
	Region  string            `json:"region"`
	Consent map[string]string `json:"consent"`
	GPC     bool              `json:"gpc"`
	Cookie  string            `json:"cookie"`
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
		w, err := readQuestion(p, r)
		if err != nil {
			fail(a, 400, err.Error())
			return
		}
		x, err := collector.Explain(p, w)
		if err != nil {
			fail(a, 400, err.Error())
			return
		}
		if x.Refused != "" {
			fail(a, 400, "the event is refused: "+strings.TrimSuffix(x.Refused+", "+x.RefusedAt, ", "))
			return
		}
		a.Status = 200
		answerJSON(a, x)
		if len(a.Body) > maxAnswer {
			fail(a, 413, "the explanation is larger than 1 MiB: ask about a smaller event")
		}
	}
}

// readQuestion reads a body strictly. Its errors name the member, never what is
// in it; encoding/json's own quote what they stumbled over.
func readQuestion(p *policy.Policy, r *collector.Request) (w collector.Hypothetical, err error) {
	var asked question
	d := json.NewDecoder(bytes.NewReader(r.Body))
	d.DisallowUnknownFields()
	if d.Decode(&asked) != nil {
		return w, errors.New("a question is a JSON object of event, region, consent (purpose to granted or denied), gpc and cookie")
	}
	if _, err := d.Token(); err != io.EOF {
		return w, errors.New("something follows the question")
	}
	if len(asked.Event) == 0 {
		return w, errors.New("event: missing")
	}
	// An address of the range reserved for documentation (RFC 5737) in place of
	// the reader's own.
	w = collector.Hypothetical{
		Event: asked.Event, Source: collector.Demo(), Choices: map[string]consent.Status{},
		Address: netip.MustParseAddr("203.0.113.195"), UserAgent: string(r.UserAgent), Now: r.Received,
	}
	place, err := geo.Parse(asked.Region)
	if err != nil {
		return w, errors.New("region: " + err.Error())
	}
	w.Place = &place
	if asked.GPC {
		w.Carried = []signals.Carried{{Place: signals.At(signals.Header, "Sec-GPC"), Value: []byte("1")}}
	}
	w.Carried = append(w.Carried, signals.Cookies(asked.Cookie)...)
	for name, word := range asked.Consent {
		if i, ok := p.Purposes().Index(name); !ok || !p.Purposes().At(i).Basis.Chooses() {
			return w, errors.New("consent: not a purpose that one can choose")
		}
		status, err := consent.ParseStatus(word)
		if err != nil || status == consent.Unknown {
			return w, errors.New(`consent: want "granted" or "denied"`)
		}
		w.Choices[name] = status
	}
	return w, nil
}
