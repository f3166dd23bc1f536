package policy

import (
	"os"
	"strings"
	"testing"

	"assent/redact"
)

// TestActionsAreClosed: each action of redact has a name in documents, a row in
// docs/policy.md and words for a person; no name stands for something else.
func TestActionsAreClosed(t *testing.T) {
	page, err := os.ReadFile("../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	names := map[redact.Kind]string{}
	for name, kind := range kinds {
		names[kind] = name
		if _, reads := parameters[name]; !reads && name != "strip_query" { // which has a key of its own
			t.Errorf("%s: parameters does not say what it reads", name)
		}
		if !strings.Contains(string(page), "{do: "+name) && !strings.Contains(string(page), "{"+name+":") {
			t.Errorf("docs/policy.md does not show %s", name)
		}
	}
	known := 0
	for kind := redact.Truncate; ; kind++ {
		_, err := redact.Compile([]redact.Rule{{Path: "a", Any: 1, Keep: redact.Action{Do: kind}}})
		if err != nil && strings.Contains(err.Error(), "no such action") {
			break
		}
		if known++; names[kind] == "" {
			t.Errorf("action %d of redact has no name in a document", kind)
		}
	}
	if known != len(kinds) {
		t.Errorf("%d actions, %d names", known, len(kinds))
	}
}
