package collector

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"assent/redact"
)

// TestRefusalsAreDocumented: docs/api.md has a row for each reason, with the status that
// it is answered with, and none for any other word.
func TestRefusalsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## Refusals\n")
	section, _, _ = strings.Cut(section, "\n## ")
	word := regexp.MustCompile("`([a-z0-9_]+)`")
	documented := map[Reason]int{} // with its status; 200: of one event
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue
		}
		names, status := cells[1], 200
		if n, err := strconv.Atoi(strings.TrimSpace(cells[1])); err == nil {
			names, status = cells[2], n
		}
		for _, m := range word.FindAllStringSubmatch(names, -1) {
			if _, twice := documented[Reason(m[1])]; twice {
				t.Errorf("docs/api.md has %s twice", m[1])
			}
			documented[Reason(m[1])] = status
		}
	}
	want := map[Reason]int{}
	for _, r := range AllReasons {
		want[r] = 200
		if p, whole := problems[r]; whole {
			want[r] = p.status
		}
	}
	for _, r := range redact.Reasons() {
		want[Reason(r.String())] = 200
	}
	for r, status := range want {
		if documented[r] != status {
			t.Errorf("docs/api.md, Refusals: %s has status %d, want a row with %d", r, documented[r], status)
		}
	}
	for r := range documented {
		if want[r] == 0 {
			t.Errorf("docs/api.md, Refusals: %s is no reason", r)
		}
	}
}
