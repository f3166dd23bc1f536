package uuid7_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"regexp"
	"testing"
	"testing/iotest"
	"time"

	"assent/uuid7"
)

var form = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// TestBits: each bit given has its place, version and variant theirs whatever is given.
func TestBits(t *testing.T) {
	for _, c := range []struct {
		ms, a, b uint64
		want     string
	}{
		{0, 0, 0, "00000000-0000-7000-8000-000000000000"},
		{0x0123456789ab, 0xcdef, 0x0123456789abcdef, "01234567-89ab-7def-8123-456789abcdef"},
		{1<<48 - 1, 1<<64 - 1, 1<<64 - 1, "ffffffff-ffff-7fff-bfff-ffffffffffff"},
	} {
		var s [uuid7.Len]byte
		uuid7.Put(&s, c.ms, c.a, c.b)
		if string(s[:]) != c.want {
			t.Errorf("%x %x %x: %s, want %s", c.ms, c.a, c.b, s, c.want)
		}
	}
}

// TestNew: an id tells its time, and is another one for other random bytes.
func TestNew(t *testing.T) {
	source := rand.NewChaCha8([32]byte{})
	seen := map[string]bool{}
	for i := range int64(1000) {
		at := time.UnixMilli(1_700_000_000_000 + i*i)
		id, err := uuid7.New(source, at)
		if err != nil || !form.MatchString(id) || seen[id] {
			t.Fatalf("%q, %v", id, err)
		}
		seen[id] = true
		if got, ok := uuid7.Time(id); !ok || !got.Equal(at) {
			t.Fatalf("%s is of %s, want %s", id, got, at)
		}
	}
	id, err := uuid7.New(bytes.NewReader([]byte{0x0a, 0xbc, 1, 2, 3, 4, 5, 6, 7, 8}), time.UnixMilli(1))
	if err != nil || id != "00000000-0001-7abc-8102-030405060708" {
		t.Errorf("%s, %v", id, err)
	}
	if id, err := uuid7.New(iotest.ErrReader(io.ErrUnexpectedEOF), time.UnixMilli(1)); !errors.Is(err, io.ErrUnexpectedEOF) || id != "" {
		t.Errorf("without randomness: %q, %v", id, err)
	}
}

// TestTimeRefusesOtherForms: what is written in another way is no id of ours.
func TestTimeRefusesOtherForms(t *testing.T) {
	for _, s := range []string{
		"", "01234567-89ab-7def-8123-456789abcde", "01234567-89ab-7def-8123-456789abcdef0",
		"01234567-89ab-4def-8123-456789abcdef", "01234567-89AB-7def-8123-456789abcdef",
		"0123456789ab-7def-8123-456789abcdef--", "01234567-89ab-7def-8123-456789abcdeg", "01234567-89ab-7def-8123+456789abcdef",
	} {
		if at, ok := uuid7.Time(s); ok {
			t.Errorf("%q is of %s", s, at)
		}
	}
}
