package collector

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"assent/consent"
	"assent/policy"
	"assent/redact"
	"assent/sinks"
	"assent/uuid7"
)

// Judge judges again what waits in a journal, because its subject may have chosen
// anew since. Safe for concurrent use.
//
// The same record under the same choices gives the same bytes each time, in a later
// process too: a record that was perhaps sent already is looked for by what it was
// sent as. A record is always judged from the form that the journal holds, never
// from one that Rejudge gave back.
type Judge struct {
	registry *consent.Registry
	policies func(hash string) *policy.Policy
}

var _ sinks.Judge = (*Judge)(nil)

// NewJudge makes a judge. policies finds the policy a record was judged by, as it
// was then, by its hash; nil when it is gone. The registry must hold journal keys.
func NewJudge(r *consent.Registry, policies func(hash string) *policy.Policy) (*Judge, error) {
	if !r.Seals() {
		return nil, errors.New("BUG: judging again needs keys that open a journal's references")
	}
	return &Judge{r, policies}, nil
}

// Unchanged reports whether nothing was recorded for a subject since the snapshot.
func (g *Judge) Unchanged(snapshot uint64) bool { return g.registry.Unchanged(snapshot) }

// Rejudge narrows a record to what its subject allows now; see policy.Rejudge for
// what that is. Without a subject it stays as it is. What cannot be judged any more,
// because its reference, its policy or its recipient is gone or it is no record of
// ours, is withheld. The error says that the store cannot be read: the record waits.
func (g *Judge) Rejudge(j *sinks.Provenance, r *sinks.Record) (sinks.Verdict, error) {
	if len(j.Subject) == 0 {
		return sinks.Kept, nil
	}
	state, err := g.registry.Withdrawn(j.Subject, time.UnixMilli(j.At))
	if err != nil {
		return sinks.Withheld, nil
	}
	p := g.policies(j.Policy)
	if p == nil {
		return sinks.Withheld, nil
	}
	first := policy.Judgement{Event: consent.PurposeSet(j.Purposes), Allowed: j.Allowed, Shared: j.Shared}
	plan, err := p.Rejudge(first, state, r.Topic)
	switch {
	case err != nil:
		return sinks.Withheld, fmt.Errorf("judging again: %w", err)
	case !plan.Pass:
		return sinks.Withheld, nil
	case plan.Allowed == plan.Was:
		return sinks.Kept, nil
	}
	return reseal(p, &plan, j, r), nil
}

// reseal makes the record anew under a narrower plan: value and key, then the headers
// that tell of them. What it says of the event (when, where, by which policy and
// signals) stays; so does the day it expires, which was the shortest of more fields.
func reseal(p *policy.Policy, plan *policy.Plan, j *sinks.Provenance, r *sinks.Record) sinks.Verdict {
	var tally redact.Tally
	clean, err := plan.Append(make([]byte, 0, len(r.Value)), r.Value, nil, &tally)
	if err != nil {
		return sinks.Withheld
	}
	before := plan.Before()
	visitor := plan.Visitor()
	if bytes.Equal(clean, r.Value) && plan.Purposes == before.Purposes && visitor == before.Visitor() {
		return sinks.Kept
	}
	key := r.Key
	if visitor != policy.IDWhole {
		if key = nil; visitor == policy.IDReduced {
			if id := reducedID(clean); len(id) > 0 {
				key = bytes.Clone(id)
			}
		}
	}
	lost := r.Key != nil && before.OwnID() && !plan.OwnID()
	headers := make([]sinks.Header, 0, len(r.Headers))
	for _, h := range r.Headers {
		switch {
		case h.Key == headerID && lost:
			h.Value = otherID(j, r.Topic)
		case h.Key == headerReceipt && key == nil:
			continue
		case h.Key == headerPurposes:
			h.Value = []byte(strings.Join(p.Purposes().Names(plan.Purposes), ","))
		case h.Key == headerRemoved:
			n, _ := strconv.Atoi(string(h.Value))
			h.Value = strconv.AppendInt(nil, int64(n+tally.Removed), 10)
		}
		headers = append(headers, h)
	}
	*r = sinks.Record{Topic: r.Topic, Key: key, Value: clean, Headers: headers}
	return sinks.Reduced
}

// otherID is a UUIDv7 in the place of a sender's id: of the instant of judgement, and
// random to whoever does not hold the journal, since a reference is never sent and
// begins with a nonce of its own.
func otherID(j *sinks.Provenance, topic string) []byte {
	sum := sha256.Sum256(append(slices.Clone(j.Subject), topic...))
	var id [uuid7.Len]byte
	uuid7.Put(&id, uint64(j.At), binary.LittleEndian.Uint64(sum[:8]), binary.LittleEndian.Uint64(sum[8:]))
	return id[:]
}
