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
	for _, row := range forms {
		name := row.name
		names[row.kind] = name
		if len(row.reads) > 0 && row.text == nil {
			t.Errorf("%s: no words say what it is given", name)
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
	if known != len(forms) {
		t.Errorf("%d actions, %d names", known, len(forms))
	}
}
