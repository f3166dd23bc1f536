package dialect

import (
	"encoding/base64"
	"strings"

	"assent/collector"
	"assent/redact"
)

// Pixel is GET /v1/pixel.gif, for images and e-mail. Either `data` holds the
// event as base64url JSON, or the query's arguments are its fields by path
// (`type`, `event`, `properties.sku`), all as strings. `k` is the source key.
type Pixel struct{}

// gif is a transparent GIF of one by one pixel (GIF89a).
const gif = "GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\x00\x00\x00!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"

// Events builds the one event of the query.
func (Pixel) Events(r *collector.Request, out []collector.Event) ([]collector.Event, error) {
	if data := r.Query.Peek("data"); len(data) > 0 {
		raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(string(data), "="))
		if err != nil {
			return out, &collector.RequestError{Reason: collector.ReasonUnreadable, Detail: "data is not base64url"}
		}
		return append(out, collector.Event{Raw: raw}), nil
	}
	root, arguments := &object{}, 0
	for key, value := range r.Query.All() {
		if arguments++; arguments > maxArguments {
			return out, &collector.RequestError{Reason: collector.ReasonUnreadable, Detail: "more than 256 arguments"}
		}
		if name := string(key); name != "k" && name != "writeKey" && !root.put(strings.Split(name, "."), string(value)) {
			return out, &collector.RequestError{Reason: collector.ReasonUnreadable, Detail: "an argument names a field inside another one that is a value, or goes too deep"}
		}
	}
	if len(root.members) == 0 {
		return out, nil
	}
	return append(out, collector.Event{Raw: root.append(nil)}), nil
}

// Answer is the image, whatever became of the event: a mail client shows it.
func (Pixel) Answer(_ *collector.Request, a *collector.Answer, _ []collector.Result) {
	a.ContentType = "image/gif"
	a.Body = append(a.Body, gif...)
}

// object is a JSON object under construction, in the order of the query.
type object struct {
	members []member
}

type member struct {
	name  string
	value string
	sub   *object
}

const (
	maxPixelDepth = 8
	// maxArguments bounds what it costs to put them into one object, each beside all
	// that came before.
	maxArguments = 256
)

func (o *object) put(path []string, value string) bool {
	if len(path) > maxPixelDepth {
		return false
	}
	if len(path) == 1 {
		for i := range o.members {
			if o.members[i].name == path[0] && o.members[i].sub != nil {
				return false
			}
		}
		o.members = append(o.members, member{name: path[0], value: value})
		return true
	}
	for i := range o.members {
		if o.members[i].name == path[0] {
			return o.members[i].sub != nil && o.members[i].sub.put(path[1:], value)
		}
	}
	sub := &object{}
	o.members = append(o.members, member{name: path[0], sub: sub})
	return sub.put(path[1:], value)
}

func (o *object) append(dst []byte) []byte {
	dst = append(dst, '{')
	for i, m := range o.members {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(redact.AppendQuoted(dst, m.name), ':')
		if m.sub != nil {
			dst = m.sub.append(dst)
		} else {
			dst = redact.AppendQuoted(dst, m.value)
		}
	}
	return append(dst, '}')
}
