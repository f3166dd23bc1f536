package collector

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"time"

	"assent/consent"
	"assent/names"
)

// choiceState is the answer of GET /v1/consent, and part of that of POST.
type choiceState struct {
	Purposes     map[string]purposeState `json:"purposes"`
	Regimes      []string                `json:"regimes"`
	Jurisdiction string                  `json:"jurisdiction"`
	Signals      []string                `json:"signals"`
	Receipt      json.RawMessage         `json:"receipt,omitempty"`
	ReceiptID    string                  `json:"receiptId,omitempty"`
	SubjectToken string                  `json:"subjectToken,omitempty"`
	Reached      string                  `json:"reached,omitempty"` // how far the choice has come
}

type purposeState struct {
	Status  string     `json:"status"`
	Allowed bool       `json:"allowed"`
	Source  string     `json:"source"` // record, signal or law: what the answer rests on
	Since   *time.Time `json:"since,omitempty"`
	Until   *time.Time `json:"until,omitempty"`
	Why     string     `json:"why"`
}

// openChoice is the start of both consent routes: source, origin, place, person.
func (c *Collector) openChoice(x *exchange) *RequestError {
	if err := c.findSource(x); err != nil {
		return err
	}
	c.locate(x)
	c.person(x)
	return nil
}

// showChoice answers GET /v1/consent for the visitor that the request proves.
func (c *Collector) showChoice(x *exchange) {
	if err := c.openChoice(x); err != nil {
		c.refuseQuietly(x, err)
		return
	}
	x.answerJSON(200, c.stateOf(x, x.person))
}

// recordChoice answers POST /v1/consent. The choice is durable and effective
// for the very next event before the 201 leaves.
func (c *Collector) recordChoice(x *exchange) {
	if err := c.openChoice(x); err != nil {
		c.refuseQuietly(x, err)
		return
	}
	if err := c.browserMay(x); err != nil {
		c.refuseQuietly(x, err)
		return
	}
	choice, err := consent.ParseChoice(x.req.Body)
	if err != nil {
		c.refuseQuietly(x, &RequestError{ReasonChoice, err.Error()})
		return
	}
	if err := c.chargeChoice(x, &choice); err != nil {
		c.refuseQuietly(x, err)
		return
	}
	regime := x.place.regime
	choice.Visitor = x.person
	choice.NewID = c.o.Cookies.Domain != "" && x.person.Mixed()
	choice.Jurisdiction, choice.Regimes = x.place.at.String(), regime.Names()
	choice.Policy, choice.PolicyHash, choice.Source = x.policy.stamp, x.policy.hash, x.source.ID
	choice.Signals = x.signals.Present
	choice.NeedsID = func(s *consent.State) bool {
		k := x.circumstances
		k.person = s
		return k.keepsID(nil)
	}
	before := x.person
	out, err := c.o.Registry.Record(context.Background(), choice)
	var wrong consent.ChoiceError
	switch {
	case errors.As(err, &wrong):
		c.refuseQuietly(x, &RequestError{ReasonChoice, wrong.Error()})
		return
	case err != nil:
		c.refuseQuietly(x, &RequestError{ReasonUnavailable, "the choice was not recorded"})
		return
	}
	c.m.countChoice(regime.Header(), before.In(x.policy.Purposes()), out.State.In(x.policy.Purposes()))
	c.choiceCookies(x, out)
	answer := c.stateOf(x, out.State)
	answer.Receipt, answer.ReceiptID = out.Receipt, out.ReceiptID
	if x.source.Kind != KindWeb || choice.AnonymousID != "" {
		// Whoever links a tracker's id needs to prove it was them, and gets the same
		// answer whether or not somebody else did before.
		answer.SubjectToken = out.Token
	}
	answer.Reached = "node"
	x.answerJSON(201, answer)
}

// browserMay keeps other sites' pages from choosing in a visitor's name: a
// browser must send an Origin (findSource checks it) and a media type that needs a
// preflight (Fetch standard, "CORS-safelisted request-header").
func (c *Collector) browserMay(x *exchange) *RequestError {
	site := string(x.req.FetchSite)
	browser := len(x.req.Origin) > 0 || site != ""
	if !browser {
		return nil
	}
	if len(x.req.Origin) == 0 && site != "same-origin" {
		return &RequestError{ReasonOrigin, ""}
	}
	media, _, _ := bytes.Cut(x.req.ContentType, []byte{';'})
	if !names.EqualFold(bytes.TrimSpace(media), "application/json") {
		return &RequestError{ReasonMediaType, ""}
	}
	return nil
}

// choiceCookies sets what the outcome says: the choice, which names nobody, and
// the id only while something allowed needs it.
func (c *Collector) choiceCookies(x *exchange, out *consent.Outcome) {
	x.ans.Cookies = append(x.ans.Cookies[:0], Cookie{Name: c.o.Cookies.Choice, Value: out.ChoiceCookie, MaxAge: choiceLife})
	switch {
	case out.IDCookie != "":
		x.ans.Cookies = append(x.ans.Cookies, Cookie{Name: c.o.Cookies.ID, Value: out.IDCookie, MaxAge: out.IDEnds.Sub(x.req.Received)})
	case x.idCookies > 0:
		x.ans.Cookies = append(x.ans.Cookies, Cookie{Name: c.o.Cookies.ID})
	}
}

// stateOf explains a state purpose by purpose.
func (c *Collector) stateOf(x *exchange, s *consent.State) *choiceState {
	purposes := x.policy.Purposes()
	k := x.circumstances
	k.person = s.In(purposes)
	s = k.person
	res := k.resolve(&k.signals)
	allowed := x.policy.Allowed(k.audience(), k.place.regime, &res)
	out := &choiceState{
		Purposes: map[string]purposeState{}, Regimes: x.place.regime.Names(), Jurisdiction: x.place.at.String(),
		Signals: k.signals.Present.Names(),
	}
	for i := range purposes.Len() {
		ps := purposeState{Status: res.Status(i).String(), Allowed: allowed.Has(i), Source: "law", Why: res.Why[i].String()}
		switch res.Why[i] {
		case consent.DeniedOptOut, consent.DeniedPreference:
			ps.Source = "signal"
		case consent.NoChoice, consent.UnreadableState:
		default:
			ps.Source = "record"
			if e := s.Entry(i); e != nil {
				since := e.SinceTime()
				if since.After(x.req.Received) {
					since = x.req.Received // a version may be, just after another one
				}
				ps.Since = &since
				if e.Status == consent.Granted {
					until := e.UntilTime()
					ps.Until = &until
				}
			}
		}
		if basis := purposes.At(i).Basis; !basis.Chooses() {
			ps.Source, ps.Why = "law", basis.String()
		}
		out.Purposes[purposes.At(i).Name] = ps
	}
	return out
}

func (x *exchange) answerJSON(status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		refuse(&x.ans, ReasonInternal, "")
		return
	}
	x.ans.Status, x.ans.ContentType = status, "application/json"
	x.ans.Body = append(append(x.ans.Body[:0], b...), '\n')
}

// refuseQuietly refuses a request that is no event: counted, without a bad row.
func (c *Collector) refuseQuietly(x *exchange, err *RequestError) {
	c.m.refused(err.Reason)
	refuse(&x.ans, err.Reason, err.Detail)
}
