package dialect_test

import (
	"errors"
	"fmt"
	"iter"
	"testing"

	"assent/collector"
	"assent/collector/dialect"
)

// arguments is a query of n arguments.
type arguments int

func (arguments) Peek(string) []byte { return nil }

func (n arguments) All() iter.Seq2[[]byte, []byte] {
	return func(yield func(k, v []byte) bool) {
		for i := range int(n) {
			if !yield(fmt.Appendf(nil, "a%d", i), []byte("v")) {
				return
			}
		}
	}
}

// TestPixelArguments: a query of very many arguments is refused before it is made
// into an object, whose cost grows with their square.
func TestPixelArguments(t *testing.T) {
	p := collector.NewPayload(1)
	if err := (dialect.Pixel{}).Events(&collector.Request{Query: arguments(256)}, p); err != nil || len(p.Events) != 1 {
		t.Errorf("256: %v", err)
	}
	var refused *collector.RequestError
	if err := (dialect.Pixel{}).Events(&collector.Request{Query: arguments(257)}, p); !errors.As(err, &refused) || refused.Reason != collector.ReasonUnreadable {
		t.Errorf("257: %v", err)
	}
}
