package dialect_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"assent/collector"
	"assent/collector/dialect"
)

type refusals struct {
	Accepted, Withheld int
	Refused            []struct {
		Index  int
		ID     *string
		Reason string
	}
}

func answerTo(t *testing.T, results []collector.Result) (refusals, string) {
	t.Helper()
	var a collector.Answer
	dialect.Native{}.Answer(nil, &a, results)
	var r refusals
	if err := json.Unmarshal(a.Body, &r); err != nil || !utf8.Valid(a.Body) {
		t.Fatalf("%v in %s", err, a.Body)
	}
	return r, string(a.Body)
}

// TestRefusedIDs: an answer repeats no more of an id than tells it apart, and is
// JSON wherever the id is cut.
func TestRefusedIDs(t *testing.T) {
	for _, unit := range []string{"a", "é", "€", "😀", `\n`, `\u00e9`, `\ud83d\ude00`, `\uD83D\uDE00`, `\\`, `a\"`} {
		for shift := range 13 {
			raw := `"` + strings.Repeat("x", shift) + strings.Repeat(unit, 200) + `"`
			r, body := answerTo(t, []collector.Result{{Outcome: collector.Refused, Reason: "type_missing", ID: []byte(raw)}})
			var whole string
			if err := json.Unmarshal([]byte(raw), &whole); err != nil {
				t.Fatal(err)
			}
			id := r.Refused[0].ID
			if id == nil || !strings.HasPrefix(whole, *id) || strings.ContainsRune(*id, utf8.RuneError) {
				t.Errorf("%s after %d: %s", unit, shift, body)
			}
			if n := len(body) - len(`{"accepted":0,"withheld":0,"refused":[{"index":0,"id":"","reason":"type_missing"}]}`+"\n"); n > 128 || n < 117 {
				t.Errorf("%s after %d: %d bytes of the id", unit, shift, n)
			}
		}
	}
	short := `"` + strings.Repeat("x", 122) + `\u00e9"`
	if _, body := answerTo(t, []collector.Result{{Outcome: collector.Refused, ID: []byte(short)}}); !strings.Contains(body, short) {
		t.Errorf("an id of 128 bytes is not whole: %s", body)
	}
}

// TestAnswerIsBounded: however many events are refused, each is named, and their
// ids while the answer is short.
func TestAnswerIsBounded(t *testing.T) {
	results := make([]collector.Result, 2000)
	for i := range results {
		results[i] = collector.Result{Outcome: collector.Refused, Reason: "anonymous_id_invalid", ID: []byte(`"` + strings.Repeat("x", 4000) + `"`)}
	}
	r, body := answerTo(t, results)
	if len(body) > 200<<10 || len(r.Refused) != len(results) {
		t.Errorf("%d bytes for %d refusals", len(body), len(r.Refused))
	}
	if r.Refused[100].ID == nil || r.Refused[1999].ID != nil || r.Refused[1999].Index != 1999 {
		t.Errorf("the first %v, the last %v", r.Refused[100], r.Refused[1999])
	}
}
