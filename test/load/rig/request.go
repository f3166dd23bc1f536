package rig

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"
)

const (
	place  = "80.10.0.1" // a French address
	digits = 12          // of the number in a message id, hexadecimal
	agent  = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
)

// NewRun returns the beginning of the message ids of one run: an id that came
// before would be stored once, and measure nothing.
func NewRun() string { return fmt.Sprintf("run-%012x-", time.Now().UnixMicro()) }

var messageID = regexp.MustCompile(`"messageId":"[^"]*"`)

// Event returns the 1 kB event of the tables, cut where its number belongs.
func Event(run string) (front, back string, err error) {
	_, file, _, _ := runtime.Caller(0)
	raw, err := os.ReadFile(filepath.Join(filepath.Dir(file), "..", "..", "..", "redact", "testdata", "event.json"))
	if err != nil {
		return "", "", err
	}
	at := messageID.FindIndex(raw)
	if at == nil {
		return "", "", errors.New("the event has no messageId")
	}
	return string(raw[:at[0]]) + `"messageId":"` + run, `"` + string(raw[at[1]:]), nil
}

// Heads returns the head of a request of each visitor for bodies of one size,
// as wrk writes it. Without visitors: one, with cookies that prove nothing.
func Heads(target string, size int, cookies []string) []string {
	if len(cookies) == 0 {
		cookies = []string{"other=none"}
	}
	var out []string
	for _, c := range cookies {
		out = append(out, fmt.Sprintf("POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nX-Forwarded-For: %s\r\nUser-Agent: %s\r\nCookie: %s\r\nContent-Length: %d\r\n\r\n",
			target, place, agent, c, size))
	}
	return out
}

// Single makes requests of one 1 kB event each, for a Plan: visitors take turns,
// and the n-th event carries the number n.
func Single(target, run string, cookies []string) (func(dst []byte, n int) []byte, error) {
	front, back, err := Event(run)
	if err != nil {
		return nil, err
	}
	heads := Heads(target, len(front)+digits+len(back), cookies)
	return func(dst []byte, n int) []byte {
		dst = append(dst, heads[n%len(heads)]...)
		dst = append(dst, front...)
		dst = appendNumber(dst, n)
		return append(dst, back...)
	}, nil
}

func appendNumber(dst []byte, n int) []byte {
	var raw [digits / 2]byte
	for i := range raw {
		raw[i] = byte(n >> (8 * (len(raw) - 1 - i)))
	}
	return hex.AppendEncode(dst, raw[:])
}

// Script writes the wrk script of the same requests and returns its path.
func (r *Rig) Script(run string, cookies []string) (string, error) {
	front, back, err := Event(run)
	if err != nil {
		return "", err
	}
	var lua strings.Builder
	lua.WriteString("local n, heads = 0, {\n")
	for _, h := range Heads("/v1/events", len(front)+digits+len(back), cookies) {
		lua.WriteString(quote(h+front) + ",\n")
	}
	fmt.Fprintf(&lua, `}
local back = %s
request = function()
  n = n + 1
  return heads[n %% #heads + 1] .. string.format("%%0%dx", n) .. back
end
`, quote(back), digits)
	f, err := os.CreateTemp(r.Dir, "*.lua")
	if err != nil {
		return "", err
	}
	_, err = f.WriteString(lua.String())
	return f.Name(), errors.Join(err, f.Close())
}

// quote writes a Lua string. Both languages read \n, \r, \" and \\ alike; the
// event holds UTF-8, which Lua passes on, and nothing that JSON escapes as \u.
func quote(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string can always be encoded
	return strings.TrimSpace(b.String())
}
