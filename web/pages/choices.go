package pages

import (
	"bytes"
	"html/template"

	"assent/collector"
	"assent/consent"
)

// choicesCSP is csp for a page with a form.
const choicesCSP = "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// choicesPath is where Choices is shown.
const choicesPath = "/demo/choices"

var choicesPage = template.Must(template.New("choices").Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Your choices</title>
<h1>Your choices</h1>
<p>{{.Statement}}</p>
<table>
<tr><th scope="col">Purpose<th scope="col">Your choice<th scope="col">Allowed
{{range .Purposes}}<tr><th scope="row">{{.Title}}<td>{{.Status}}<td>{{if .Allowed}}yes{{else}}no{{end}}
{{end}}</table>
<form method="post">
<button name="all" value="denied">Refuse everything</button>
<button name="all" value="granted">Allow everything</button>
</form>
</html>
`))

// Choices is the page on which a visitor of the demo sees what they chose, by the policy
// in force, and takes it back, without a script.
func Choices() map[string]collector.Page {
	return map[string]collector.Page{choicesPath: choices}
}

func choices(v *collector.Visit, a *collector.Answer) {
	a.Header("Content-Security-Policy", choicesCSP)
	a.Header("Referrer-Policy", "same-origin") // no-referrer would hide the form's origin
	if string(v.Request().Method) == "POST" {
		if err := choose(v); err != nil {
			v.Refuse(err)
			return
		}
		a.Status = 303
		a.Header("Location", v.Request().Prefix+choicesPath)
		return
	}
	type row struct {
		Title string
		collector.PurposeStanding
	}
	data := struct {
		Statement string
		Purposes  []row
	}{Statement: v.Policy().Document().Statement}
	standing := v.Standing()
	for _, p := range v.Policy().Document().Purposes {
		data.Purposes = append(data.Purposes, row{p.Title, standing.Purposes[p.Name]})
	}
	var b bytes.Buffer
	if err := choicesPage.Execute(&b, data); err != nil {
		panic("BUG: the page does not fit its data: " + err.Error())
	}
	a.Status, a.ContentType = 200, contentTypes[".html"]
	a.Body = append(a.Body, b.Bytes()...)
}

// choose records what the page's form says.
func choose(v *collector.Visit) *collector.RequestError {
	form, err := v.Form()
	if err != nil {
		return err
	}
	status, wrong := consent.ParseStatus(form.Get("all"))
	if wrong != nil || status == consent.Unknown {
		return &collector.RequestError{Reason: collector.ReasonChoice, Detail: "all: want granted or denied"}
	}
	_, err = v.Choose(consent.Choice{All: status, Method: consent.PreferenceCentre})
	return err
}
