package collector

import (
	"encoding/json"

	"assent/consent"
)

// choiceAnswer is the answer of POST /v1/consent.
type choiceAnswer struct {
	*Standing
	Receipt      json.RawMessage `json:"receipt"`
	ReceiptID    string          `json:"receiptId"`
	SubjectToken string          `json:"subjectToken,omitempty"`
	Reached      string          `json:"reached"` // how far the choice has come
}

// showChoice answers GET /v1/consent for the visitor that the request proves.
func showChoice(v *Visit, _ *Answer) { v.x.answerJSON(200, v.Standing()) }

// recordChoice answers POST /v1/consent. The choice is durable and effective
// for the very next event before the 201 leaves.
func recordChoice(v *Visit, _ *Answer) {
	if err := v.json(); err != nil {
		v.Refuse(err)
		return
	}
	choice, err := consent.ParseChoice(v.x.req.Body)
	if err != nil {
		v.Refuse(&RequestError{ReasonChoice, err.Error()})
		return
	}
	if choice.UserID != "" {
		if !v.x.proven {
			v.Refuse(&RequestError{ReasonSubject, ""})
			return
		}
		if err := v.denyVisitor(choice); err != nil {
			v.Refuse(err)
			return
		}
		choice.Account = consent.UserOf(v.x.source.Accounts, choice.UserID)
	}
	out, refused := v.Choose(choice)
	if refused != nil {
		v.Refuse(refused)
		return
	}
	answer := choiceAnswer{Standing: v.Standing(), Receipt: out.Receipt, ReceiptID: out.ReceiptID, Reached: "node"}
	if choice.UserID == "" && (v.x.source.Kind != KindWeb || choice.AnonymousID != "") {
		// Whoever links a tracker's id needs to prove it was them, and gets the same
		// answer whether or not somebody else did before.
		answer.SubjectToken = out.Token
	}
	v.x.answerJSON(201, answer)
}

// denyVisitor records what a choice for an account takes away for the visitor as well whom
// the request proves beside it: a denial falls on each that it proves or names.
func (v *Visit) denyVisitor(choice consent.Choice) *RequestError {
	if v.x.person.Subject.IsZero() && !v.x.person.Remembers() {
		return nil
	}
	denied := map[string]consent.Status{}
	for name, status := range choice.Purposes {
		if status == consent.Denied {
			denied[name] = status
		}
	}
	if choice.Purposes = denied; choice.All == consent.Granted {
		choice.All = consent.Unknown
	}
	if len(denied) == 0 && choice.All == consent.Unknown {
		return nil
	}
	_, err := v.Choose(choice)
	return err
}

// json lets the visitor choose by the JSON of the body. It keeps other sites' pages from
// choosing in a visitor's name: a browser must send an Origin (findSource checks it) and
// a media type that needs a preflight (Fetch standard, "CORS-safelisted request-header").
func (v *Visit) json() *RequestError {
	r := &v.x.req
	browser := len(r.Origin) > 0 || len(r.FetchSite) > 0
	switch {
	case browser && len(r.Origin) == 0 && string(r.FetchSite) != "same-origin":
		return &RequestError{ReasonOrigin, ""}
	case browser && !r.isMedia("application/json"):
		return &RequestError{ReasonMediaType, ""}
	}
	v.mayChoose = true
	return nil
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
