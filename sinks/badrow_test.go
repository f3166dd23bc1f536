package sinks

import (
	"testing"
	"time"
)

// TestBadRow: the rows of the collector and of the journal, to the byte. Consumers
// of the bad topic read them.
func TestBadRow(t *testing.T) {
	at := AppendTime(nil, time.UnixMilli(1_800_000_000_007))
	f := func(b BadRow, want string) {
		t.Helper()
		b.Received = at
		if got := string(AppendBadRow([]byte("> "), &b)); got != "> "+want {
			t.Errorf("got  %s\nwant > %s", got, want)
		}
	}
	f(BadRow{Stage: StageReceive, Reason: "type_missing", Size: 17, Hash: []byte("0af1"), Source: "web"},
		`{"stage":"receive","reason":"type_missing","size":17,"hash":"0af1","source":"web","receivedAt":"2027-01-15T08:00:00.007Z"}`)
	f(BadRow{Stage: StageDecide, Reason: "event_name_invalid", Count: 3, Size: 51, Source: "web"},
		`{"stage":"decide","reason":"event_name_invalid","count":3,"size":51,"source":"web","receivedAt":"2027-01-15T08:00:00.007Z"}`)
	f(BadRow{Stage: StageRedact, Reason: "too_deep", Size: 9, Hash: []byte("ff"), Source: `a"b`},
		`{"stage":"redact","reason":"too_deep","size":9,"hash":"ff","source":"a\"b","receivedAt":"2027-01-15T08:00:00.007Z"}`)
	f(BadRow{Stage: StageForward, Reason: "too_large", Size: 1_000_001, Source: "web"},
		`{"stage":"forward","reason":"too_large","size":1000001,"source":"web","receivedAt":"2027-01-15T08:00:00.007Z"}`)

	r := Record{Value: []byte("{}"), Headers: AppendBadRowHeaders(nil, []byte("id"), []byte("urn:assent:source:web"), at)}
	want := `{"key":null,"headers":{"ce_specversion":"1.0","ce_id":"id","ce_source":"urn:assent:source:web","ce_type":"assent.bad_row",` +
		`"ce_time":"2027-01-15T08:00:00.007Z","content-type":"application/json"},"value":{}}` + "\n"
	if got := string(AppendLine(nil, &r)); got != want {
		t.Errorf("got  %swant %s", got, want)
	}
}

func TestAppendTimeIsRFC3339(t *testing.T) {
	zone := time.FixedZone("", -5*3600)
	for i := range 200_000 {
		at := time.Unix(int64(i)*1_234_567, int64(i)*987_654_321%1e9).In(zone)
		if got, want := string(AppendTime(nil, at)), at.UTC().Format("2006-01-02T15:04:05.000Z07:00"); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
}
