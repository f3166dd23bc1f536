package dialect

import (
	"bytes"
	"encoding/base64"

	"assent/collector"
)

// Pixel is GET /v1/pixel.gif, for images and e-mail. Either `data` holds the
// event as base64url JSON, or the query's arguments are its fields by path
// (`type`, `event`, `properties.sku`), all as strings. `k` is the source key.
type Pixel struct{}

// gif is a transparent GIF of one by one pixel (GIF89a).
const gif = "GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\x00\x00\x00!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"

// maxArguments bounds what it costs to put them into one object.
const maxArguments = 256

// Events builds the one event of the query.
func (Pixel) Events(r *collector.Request, p *collector.Payload) error {
	if data := r.Query.Peek("data"); len(data) > 0 {
		start := len(p.Space)
		raw, err := base64.RawURLEncoding.AppendDecode(p.Space, bytes.TrimRight(data, "="))
		if err != nil {
			return unreadable("data is not base64url")
		}
		p.Space = raw
		return p.Add(collector.Event{Raw: raw[start:]})
	}
	event, arguments := p.Object(), 0
	for name, value := range r.Query.All() {
		if arguments++; arguments > maxArguments {
			return unreadable("more than 256 arguments")
		}
		if s := string(name); s != "k" && s != "writeKey" && !event.Put(name, value) {
			return unreadable("an argument names a field inside another one that is a value, or goes too deep")
		}
	}
	return p.Build()
}

func unreadable(detail string) error {
	return &collector.RequestError{Reason: collector.ReasonUnreadable, Detail: detail}
}

// Answer is the image, whatever became of the event: a mail client shows it.
func (Pixel) Answer(_ *collector.Request, a *collector.Answer, _ []collector.Result) {
	a.ContentType = "image/gif"
	a.Body = append(a.Body, gif...)
}
