package main

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// api is one of the files that describe a listener to those who write clients.
type api struct {
	name       string
	root       any
	compiler   *jsonschema.Compiler
	operations map[string]string // `GET /v1/consent` → where it is, as a JSON pointer
}

func readAPI(t *testing.T, name string) *api {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "docs", name))
	if err != nil {
		t.Fatal(err)
	}
	asJSON, err := yaml.YAMLToJSON(raw)
	if err != nil {
		t.Fatal(err)
	}
	root, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		t.Fatal(err)
	}
	a := &api{name: name, root: root, compiler: jsonschema.NewCompiler(), operations: map[string]string{}}
	a.compiler.AssertFormat()
	for _, path := range a.keys("/paths") {
		at := "/paths/" + escaped(path)
		for _, method := range a.keys(at) {
			for _, p := range a.expand(path, at+"/"+method) {
				a.operations[strings.ToUpper(method)+" "+p] = at + "/" + method
			}
		}
	}
	shut(a.at("/paths"))
	shut(a.at("/components/schemas"))
	if err := a.compiler.AddResource(name, root); err != nil {
		t.Fatal(err)
	}
	return a
}

// shut refuses members that an object's schema does not name. The file leaves room for
// more, because answers may grow; the program has none that the file does not name.
func shut(v any) {
	switch v := v.(type) {
	case map[string]any:
		if v["properties"] != nil && v["type"] == "object" && v["additionalProperties"] == nil {
			v["additionalProperties"] = false
		}
		for _, member := range v {
			shut(member)
		}
	case []any:
		for _, element := range v {
			shut(element)
		}
	}
}

func escaped(token string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(token)
}

// at finds a value by its pointer and follows references; nil where there is none.
func (a *api) at(pointer string) any {
	v := a.root
	for token := range strings.SplitSeq(strings.Trim(pointer, "/"), "/") {
		token = strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
		members, _ := v.(map[string]any)
		v = members[token]
		if ref, ok := v.(map[string]any); ok && ref["$ref"] != nil {
			v = a.at(strings.TrimPrefix(ref["$ref"].(string), "#"))
		}
	}
	return v
}

func (a *api) keys(pointer string) (names []string) {
	members, _ := a.at(pointer).(map[string]any)
	for name := range members {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// expand gives a path once for each value of its parameter, and as it stands where the
// parameter may be anything.
func (a *api) expand(path, operation string) (paths []string) {
	before, rest, templated := strings.Cut(path, "{")
	if !templated {
		return []string{path}
	}
	operationParameters, _ := a.at(operation + "/parameters").([]any)
	for _, p := range operationParameters {
		schema, _ := p.(map[string]any)["schema"].(map[string]any)
		values, _ := schema["enum"].([]any)
		for _, value := range values {
			paths = append(paths, before+fmt.Sprint(value)+rest[strings.Index(rest, "}")+1:])
		}
	}
	if len(paths) == 0 {
		paths = []string{path}
	}
	return paths
}

// check holds an answer against what the file says of it.
func (a *api) check(operation string, answer *http.Response, body []byte) error {
	response := fmt.Sprintf("%s/responses/%d", a.operations[operation], answer.StatusCode)
	if a.at(response) == nil {
		return fmt.Errorf("status %d is not in the file", answer.StatusCode)
	}
	return a.checkResponse(response, answer, body)
}

func (a *api) checkResponse(response string, answer *http.Response, body []byte) error {
	for _, name := range a.keys(response + "/headers") {
		if a.at(response+"/headers/"+name+"/required") == true && answer.Header.Get(name) == "" {
			return fmt.Errorf("no header %s", name)
		}
	}
	types := a.keys(response + "/content")
	if len(types) == 0 {
		if len(body) > 0 {
			return fmt.Errorf("%d bytes of body, and the file knows of none", len(body))
		}
		return nil
	}
	media, _, err := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	if err != nil || !slices.Contains(types, media) {
		return fmt.Errorf("content type %q, want one of %q", answer.Header.Get("Content-Type"), types)
	}
	if !strings.HasSuffix(media, "json") {
		return nil
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return err
	}
	return a.validate(response+"/content/"+escaped(media)+"/schema", value)
}

// validate holds a value against the schema at a pointer. The pointer may lead through
// references, which the compiler does not follow.
func (a *api) validate(pointer string, value any) error {
	schema, err := a.compiler.Compile(a.name + "#" + a.direct(pointer))
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

// direct is the pointer of the same value that leads through no reference.
func (a *api) direct(pointer string) string {
	at := ""
	for token := range strings.SplitSeq(strings.Trim(pointer, "/"), "/") {
		at += "/" + token
		parent, name := at[:strings.LastIndex(at, "/")], strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
		var members map[string]any
		if parent == "" {
			members, _ = a.root.(map[string]any)
		} else {
			members, _ = a.at(parent).(map[string]any)
		}
		if ref, ok := members[name].(map[string]any); ok && ref["$ref"] != nil {
			at = strings.TrimPrefix(ref["$ref"].(string), "#")
		}
	}
	return at
}

// TestOpenAPIExamples: what the files show is what they demand.
func TestOpenAPIExamples(t *testing.T) {
	for _, name := range []string{"openapi.yaml", "openapi-admin.yaml"} {
		a := readAPI(t, name)
		var walk func(pointer string, v any)
		walk = func(pointer string, v any) {
			members, _ := v.(map[string]any)
			for key, member := range members {
				walk(pointer+"/"+escaped(key), member)
			}
			if members["schema"] == nil {
				return
			}
			examples, _ := members["examples"].(map[string]any)
			values := []any{members["example"]}
			for _, e := range examples {
				values = append(values, e.(map[string]any)["value"])
			}
			for _, value := range values {
				if value == nil {
					continue
				}
				if err := a.validate(pointer+"/schema", value); err != nil {
					t.Errorf("%s%s: %v", name, pointer, err)
				}
			}
		}
		walk("/paths", a.at("/paths"))
	}
}

// TestOpenAPIRoutes: the files name what the program serves, and nothing else.
func TestOpenAPIRoutes(t *testing.T) {
	cfg, err := loadConfig("", &config{Listen: "127.0.0.1:0", Data: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Admin.Pprof = true
	p := &program{cfg: cfg, log: slog.New(slog.DiscardHandler)}
	if err := p.open(p.openData, p.openKeys, p.openPolicies, p.openConsent, p.openDedup, p.openAdmin, p.openSink, p.openGeo, p.openEdge); err != nil {
		t.Fatal(err)
	}
	defer p.close()
	for name, served := range map[string][]string{"openapi.yaml": p.edge.Routes(), "openapi-admin.yaml": p.admin.Routes()} {
		a := readAPI(t, name)
		for _, route := range served {
			_, path, _ := strings.Cut(route, " ")
			// A page of the demo has both methods, and answers 405 to one of them.
			page := (path == "/" || strings.HasPrefix(path, "/demo/")) && (a.operations["GET "+path] != "" || a.operations["POST "+path] != "")
			if a.operations[route] == "" && !page {
				t.Errorf("%s is served, and not in docs/%s", route, name)
			}
		}
		for operation := range a.operations {
			if !slices.Contains(served, operation) {
				t.Errorf("%s is in docs/%s, and not served", operation, name)
			}
		}
	}
}

// TestOpenAPIAnswers: what a running program answers is what the files say.
func TestOpenAPIAnswers(t *testing.T) {
	cfg, err := loadConfig("", &config{Listen: "127.0.0.1:0", Admin: adminConfig{Listen: "127.0.0.1:0", Pprof: true}, Data: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Admin.Pprof = true
	cfg.Limits.Events = 3
	cfg.Sources = []sourceConfig{
		{ID: "shop", Kind: "web", Key: "web-key", Origins: []string{"https://shop.example"}},
		{ID: "app", Kind: "app", Key: "app-key"},
	}
	public, admin, stop := launch(t, cfg)
	defer stop()

	front := readAPI(t, "openapi.yaml")
	asked := map[string]bool{}
	ask := func(a *api, base, operation, query, body string, want int, headers ...string) {
		t.Helper()
		method, path, _ := strings.Cut(operation, " ")
		request, err := http.NewRequestWithContext(t.Context(), method, base+path+query, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(headers); i += 2 {
			request.Header.Set(headers[i], headers[i+1])
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		got, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		what := fmt.Sprintf("%s%s %.60s", operation, query, body)
		if answer.StatusCode != want {
			t.Errorf("%s: %d, want %d: %.300s", what, answer.StatusCode, want, got)
		}
		switch asked[a.name+operation] = true; want {
		case 404:
			err = a.checkResponse("/components/responses/NotFound", answer, got)
		case 405:
			err = a.checkResponse("/components/responses/MethodNotAllowed", answer, got)
		default:
			err = a.check(operation, answer, got)
		}
		if err != nil {
			t.Errorf("%s: %d %.300s: %v", what, answer.StatusCode, got, err)
		}
	}
	f := func(operation, query, body string, want int, headers ...string) {
		t.Helper()
		ask(front, public, operation, query, body, want, headers...)
	}
	const (
		key  = "?k=web-key"
		json = "application/json"
	)
	f("POST /v1/events", key, `{"type":"page","messageId":"m-1"}`, 200)
	f("POST /v1/events", key, `[{"type":"page"},{"messageId":"m-2"},{"type":"page","x":tru}]`, 200)
	f("POST /v1/events", key, `nothing`, 400)
	f("POST /v1/events", key, ``, 400)
	f("POST /v1/events", "?k=another", `{"type":"page"}`, 401)
	f("POST /v1/events", key, `{"type":"page"}`, 403, "Origin", "https://other.example")
	f("POST /v1/events", key, `[{"type":"page"},{"type":"page"},{"type":"page"},{"type":"page"}]`, 413)
	f("POST /v1/events", key, `{"type":"page"}`, 415, "Content-Encoding", "rot13")
	f("GET /v1/events", key, "", 405)
	f("GET /v1/nothing", key, "", 404)
	f("GET /v1/pixel.gif", key+"&type=page&name=Home", "", 200)
	f("GET /v1/pixel.gif", key, "", 400)
	f("GET /v1/pixel.gif", "", "", 401)
	f("GET /v1/consent", key, "", 200, "Sec-GPC", "1")
	f("GET /v1/consent", "", "", 401)
	f("GET /v1/consent", key, "", 403, "Origin", "https://other.example")
	f("POST /v1/consent", key, `{"purposes":{"analytics":"granted","ads":"denied"},"preferences":{"mail":"weekly"},
		"notice":{"id":"banner","version":"3","language":"fr"},"method":"banner","asserted_at":"2026-11-22T09:00:00Z"}`, 201, "Content-Type", json)
	f("POST /v1/consent", "?k=app-key", `{"all":"granted","link":{"anonymousId":"v-7"}}`, 201)
	f("POST /v1/consent", key, `{"purposes":{"analytics":"maybe"}}`, 400)
	f("POST /v1/consent", key, `{"all":"denied","subject":{"userId":"u-7"}}`, 403, "Content-Type", json)
	f("POST /v1/consent", "", `{"all":"denied"}`, 401)
	f("POST /v1/consent", key, `{"all":"denied"}`, 403, "Origin", "https://other.example")
	f("POST /v1/consent", key, strings.Repeat(" ", 1<<20), 413)
	f("POST /v1/consent", key, `{"all":"denied"}`, 415, "Origin", "https://shop.example", "Content-Type", "text/plain")
	f("GET /.well-known/gpc.json", "", "", 200)
	f("GET /healthz", "", "", 200)
	f("GET /", "", "", 200)
	f("GET /demo/policy.json", "", "", 200)
	f("POST /demo/explain", "", `{"event":{"type":"page","name":"Home","context":{"page":{"url":"https://shop.example/?a=1"}}},"region":"FR","consent":{"analytics":"granted"},"gpc":true}`, 200)
	f("POST /demo/explain", "", `{"event":1}`, 400)
	f("POST /demo/explain", "", `{"event":{"type":"page","name":"`+strings.Repeat("x", 70_000)+`"}}`, 413)
	f("GET /demo/choices", key, "", 403, "Origin", "https://other.example")
	f("POST /demo/choices", key, `all=maybe`, 400, "Content-Type", "application/x-www-form-urlencoded")
	f("POST /demo/choices", key, `all=denied`, 403, "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "cross-site")
	for operation := range front.operations {
		if strings.HasPrefix(operation, "GET /demo/") {
			f(operation, key, "", 200)
		}
	}

	back := readAPI(t, "openapi-admin.yaml")
	f = func(operation, query, body string, want int, headers ...string) {
		t.Helper()
		ask(back, admin, operation, query, body, want, headers...)
	}
	f("GET /healthz", "", "", 200)
	f("GET /healthz", "", "", 403, "Origin", "https://other.example")
	f("GET /readyz", "", "", 200)
	f("GET /metrics", "", "", 200)
	f("GET /debug/pprof/", "", "", 200)
	f("GET /debug/pprof/profile", "?seconds=1", "", 200)
	f("GET /debug/pprof/trace", "?seconds=0.01", "", 200)
	f("GET /debug/pprof/symbol", "", "", 200)

	for _, a := range []*api{front, back} {
		for operation := range a.operations {
			if !asked[a.name+operation] {
				t.Errorf("%s: no answer of %s was looked at", a.name, operation)
			}
		}
	}
}
