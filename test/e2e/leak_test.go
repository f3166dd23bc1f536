package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// canaries are values that can be told from all else.
type canaries struct{ list []canary }

type canary struct{ value, input string }

// new makes a canary for an input. Letters only, so that no escaping hides it.
func (c *canaries) new(input string) string {
	n, letters := len(c.list), []byte("zqcanary")
	for range 4 {
		letters = append(letters, 'a'+byte(n%26))
		n /= 26
	}
	c.list = append(c.list, canary{string(letters) + "xq", input})
	return c.list[len(c.list)-1].value
}

// search reports each canary in a text: as it is, in hex, in base64 at any offset.
func (c *canaries) search(t *testing.T, where string, text []byte) {
	t.Helper()
	low := bytes.ToLower(text)
	for _, k := range c.list {
		forms := map[string][]byte{"as it is": []byte(k.value), "in hex": []byte(hex.EncodeToString([]byte(k.value)))}
		for name, form := range forms {
			if bytes.Contains(low, form) {
				t.Errorf("%s holds what was sent in %s, %s", where, k.input, name)
			}
		}
		for shift := range 3 {
			coded := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + k.value))
			if bytes.Contains(text, []byte(coded[4:len(coded)-4])) {
				t.Errorf("%s holds what was sent in %s, in base64", where, k.input)
			}
		}
	}
}

// TestNoLeaks sends canaries through every input in the name of a French visitor
// who chose nothing. What is not allowed for this person is in no topic, bad row,
// log, metric, problem or other file.
func TestNoLeaks(t *testing.T) {
	t.Parallel()
	t.Run("files", func(t *testing.T) {
		t.Parallel()
		p := start(t)
		c := leakAll(t, p)
		if got := string(p.records("events")[0].Value); !strings.Contains(got, "allowedvalue") {
			t.Errorf("what is allowed is not there either: %s", got)
		}
		if len(p.records("events.bad")) < 10 {
			t.Errorf("only %d bad rows", len(p.records("events.bad")))
		}
		for _, r := range p.records("events.bad") {
			if strings.Contains(fmt.Sprintf("%s %v %v", r.Value, r.Headers, r.Key), "allowedvalue") {
				t.Error("a bad row holds a payload")
			}
		}
		ids := &canaries{slices.Clone(c.list)}
		p.send("POST", "/v1/events", order(ids.new("messageId")), inFrance)
		p.works()
		p.stop()
		c.search(t, "stderr", []byte(p.Stderr()))
		c.searchFiles(t, p.data, "after its end", "events", "dedup", "policies", "consent")
		ids.searchFiles(t, filepath.Join(p.data, "dedup"), "which remembers it")
	})
	t.Run("journal", func(t *testing.T) {
		t.Parallel()
		args := []string{"--kafka", "127.0.0.1:1", "-c", save(t, "assent.yaml", "journal: {max_bytes: 33554432}\n")}
		p := start(t, args...)
		c := leakAll(t, p)
		if n := p.metric("assent_journal_waiting_records"); n < 10 {
			t.Errorf("%g records wait", n)
		}
		p.Kill()
		c.search(t, "stderr", []byte(p.Stderr()))
		flip(t, filepath.Join(p.data, "journal"), "allowedvalue")
		p = startIn(t, p.data, args...)
		c.searchFiles(t, p.data, "with a damaged journal", "journal", "journal/quarantine", "policies", "consent")
		p.stop()
		c.search(t, "stderr", []byte(p.Stderr()))
	})
}

// flip damages the first of a folder's files that holds a text, there.
func flip(t *testing.T, dir, text string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		raw, err := os.ReadFile(path)
		if at := bytes.Index(raw, []byte(text)); err == nil && at >= 0 {
			raw[at] ^= 1
			if err := os.WriteFile(path, raw, 0o600); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatalf("no file below %s holds what is allowed", dir)
}

// leakAll sends the canaries and looks for them wherever a running program may have
// put them.
func leakAll(t *testing.T, p *proxy) *canaries {
	t.Helper()
	c := &canaries{}
	var answers bytes.Buffer // all that is not 2xx, and every header
	send := func(method, path, body string, headers ...string) {
		r := p.send(method, path, body, append(headers, inFrance)...)
		fmt.Fprintln(&answers, r.header)
		if r.status/100 != 2 {
			fmt.Fprintln(&answers, r.body)
		}
	}
	const good = `{"type":"track","event":"Order Completed","properties":{"order_id":"allowedvalue"}}`

	// Every part of a request that is not the body.
	for _, name := range []string{
		"User-Agent", "Referer", "Origin", "Authorization", "Cookie", "X-Assent-Subject", "Sec-GPC", "Accept-Language", "X-Request-Id",
		"X-Real-IP", "Via", "Content-Type", "Content-Encoding", "Sec-Fetch-Site", "Accept-Encoding", "Traceparent", "Host", "X-Any",
	} {
		send("POST", "/v1/events", good, name+": "+c.new("header "+name))
	}
	for _, h := range []string{
		"Forwarded: for=", "Forwarded: for=80.10.0.1;host=", "X-Forwarded-For: 80.10.0.1, ", "X-Forwarded-For: ",
		"Authorization: Bearer ", "Cookie: __Host-assent_id=", "Cookie: __Host-assent_choice=", "Cookie: other=", "Content-Type: application/json; charset=",
	} {
		send("POST", "/v1/events", good, h+c.new("header "+h))
	}
	send("POST", "/v1/events", good, "Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte(c.new("basic user")+":"+c.new("basic password"))))
	send("POST", "/v1/events?k="+c.new("k")+"&"+c.new("query name")+"="+c.new("query value"), good)
	send("POST", "/v1/"+c.new("path"), good)
	send(strings.ToUpper(c.new("method")), "/v1/events", good)
	fmt.Fprintln(&answers, p.raw(c.new("first line")+"\r\n\r\n"))
	fmt.Fprintln(&answers, p.raw("POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: "+c.new("content length")+"\r\n\r\n"))
	fmt.Fprintln(&answers, p.raw("POST /v1/events HTTP/1.1\r\nHost: a\r\nX-"+c.new("header name")+": "+strings.Repeat("x", 20<<10)+"\r\n\r\n"))

	// Fields that are declared and not allowed here, and such as nobody declared.
	fields := func(in string) string {
		v := func(name string) string { return c.new(in + " " + name) }
		return fmt.Sprintf(`{"type":"track","event":"Order Completed","anonymousId":%q,"userId":%q,"%s":%q,
			"properties":{"order_id":"allowedvalue","email":%q,"url":"https://shop.example/%s?utm_source=%s#%s","secret":{"deep":[%q]},
				"products":[{"sku":"allowedvalue","margin":%q,"name":{"x":%q}},%q],"order_id2":%q},
			"traits":{"email":%q,"phone":%q},
			"context":{"ip":%q,"userAgent":%q,"page":{"url":%q,"title":%q},"consent":{"categoryPreferences":{%q:true}},"locale":%q},
			"integrations":{%q:true}}`,
			v("anonymousId"), v("userId"), v("undeclared name"), v("undeclared"), v("email"), v("url"), v("url query"), v("url fragment"),
			v("undeclared, deep"), v("margin"), v("object for a scalar"), v("text for an object"), v("order_id2"), v("trait email"), v("phone"),
			v("ip"), v("userAgent"), v("page url"), v("title"), v("preference"), v("locale"), v("integration"))
	}
	send("POST", "/v1/events", fields("single"))
	send("POST", "/v1/events", "["+fields("array, first")+","+fields("array, second")+"]")
	send("POST", "/v1/events", `{"batch":[`+fields("batch")+`],"writeKey":"`+c.new("batch writeKey")+`","context":{"a":"`+c.new("batch context")+`"}}`)
	send("POST", "/v1/events", strings.ReplaceAll(fields("ndjson"), "\n", " ")+"\n"+c.new("ndjson line"), "Content-Type: application/x-ndjson")
	for _, coding := range []string{"gzip", "br", "zstd"} {
		send("POST", "/v1/events", packed(t, coding, fields(coding)), "Content-Encoding: "+coding)
	}
	query := url.Values{"type": {"track"}, "event": {"Order Completed"}}
	for _, name := range []string{"anonymousId", "userId", "properties.email", "context.ip", "secret", "a.b.c"} {
		query.Set(name, c.new("pixel "+name))
	}
	query.Set(c.new("pixel name"), "x")
	send("GET", "/v1/pixel.gif?"+query.Encode(), "")
	send("GET", "/v1/pixel.gif?data="+base64.RawURLEncoding.EncodeToString([]byte(fields("pixel data"))), "")
	send("GET", "/v1/pixel.gif?data="+c.new("pixel data, cut")+"!", "")

	// What cannot be read.
	for _, body := range []string{
		"%s", `"%s"`, `{"type":"%s`, `{"type":"track","a":%s}`, `{"%s":1,"type":"track","type":"x"}`, `[{"type":{"%s":1}},{"type":7,"a":"%s"}]`,
		`[{"event":"%s"},{"type":"track","event":{"%s":1}}]`, `{"batch":[{"type":"track","a":"%s\q"}]}`, "{\"type\":\"\xff%s\"}",
		`{"type":"track","a":"%s","pad":"` + strings.Repeat("x", 300<<10) + `"}`, `{"type":"%s","event":"Order Completed"}`, `{"type":"track","event":"%s"}`,
	} {
		args := []any{}
		for i := range strings.Count(body, "%s") {
			args = append(args, c.new(fmt.Sprintf("body %.40q, %d", body, i)))
		}
		if strings.HasPrefix(body, `{"type":"%s","event"`) {
			continue // a type is kept: it is what happened
		}
		send("POST", "/v1/events", fmt.Sprintf(body, args...))
	}
	cut := packed(t, "gzip", strings.Repeat(good+c.new("cut gzip"), 50))
	send("POST", "/v1/events", cut[:len(cut)/2], "Content-Encoding: gzip")
	send("POST", "/v1/events", good+c.new("not gzip"), "Content-Encoding: gzip")

	// Choices. They are refused whole, so nothing of them is kept.
	for _, body := range []string{
		`{"%s":1}`, `{"all":"%s"}`, `{"purposes":{"%s":"granted"}}`, `{"purposes":{"analytics":"%s"}}`, `{"link":{"%s":"x"}}`, `{"notice":{"%s":"x"}}`,
		`{"method":"%s"}`, `{"asserted_at":"%s"}`, `{"preferences":{"a":"%s and more"}}`, `{"all":"denied","extra":{"a":"%s"}}`, `%s`, `{"link":"%s"}`,
	} {
		send("POST", "/v1/consent", fmt.Sprintf(body, c.new("choice "+body)), "Content-Type: application/json")
	}
	send("POST", "/v1/consent", `{"all":"denied"}`, "Content-Type: application/json", "User-Agent: "+c.new("choice user agent"), "Cookie: a="+c.new("choice cookie"))

	_, metrics := p.get("/metrics")
	_, ready := p.get("/readyz")
	c.search(t, "/metrics", []byte(metrics))
	c.search(t, "/readyz", []byte(ready))
	c.search(t, "an answer", answers.Bytes())
	c.searchFiles(t, p.data, "while it runs", "policies", "consent")
	return c
}

// searchFiles looks into every file below a directory. There must be some in each
// of the folders.
func (c *canaries) searchFiles(t *testing.T, dir, when string, folders ...string) {
	t.Helper()
	found := map[string]bool{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			return nil
		}
		if err == nil {
			rel, _ := filepath.Rel(dir, path)
			for folder := rel; folder != "."; folder = filepath.Dir(folder) {
				found[folder] = true
			}
			c.search(t, rel+" "+when, bytes.TrimRight(raw, "\x00"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		if !found[folder] {
			t.Errorf("%s: no file below %s", when, folder)
		}
	}
}

// TestLinkedIDStaysInTheStore: the one value of a sender that is kept outside the
// topics is the id that a choice links. The store must know it to find the choice
// again; nothing else may.
func TestLinkedIDStaysInTheStore(t *testing.T) {
	t.Parallel()
	for folder, args := range map[string][]string{"events": nil, "journal": {"--kafka", "127.0.0.1:1"}} {
		t.Run(folder, func(t *testing.T) {
			t.Parallel()
			linkedID(t, folder, args)
		})
	}
}

func linkedID(t *testing.T, folder string, args []string) {
	p := start(t, args...)
	c := &canaries{}
	id := c.new("link.anonymousId")
	if r := p.send("POST", "/v1/consent", `{"all":"denied","link":{"anonymousId":"`+id+`"}}`, inFrance); r.status != 201 || strings.Contains(r.body, id) {
		t.Errorf("%d %s", r.status, r.body)
	}
	p.send("POST", "/v1/events", `{"type":"track","event":"Order Completed","anonymousId":"`+id+`"}`, inFrance)
	_, metrics := p.get("/metrics")
	c.search(t, "/metrics", []byte(metrics))
	p.stop()
	c.search(t, "stderr", []byte(p.Stderr()))
	if err := os.RemoveAll(filepath.Join(p.data, "consent")); err != nil {
		t.Fatal(err)
	}
	c.searchFiles(t, p.data, "besides the store", folder)
}
