package consent

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"assent/keys"
)

// ReceiptSchema names the shape of a receipt; changes are additive within one.
const ReceiptSchema = "assent.receipt.1"

// Receipt is the proof of one choice, of which the person gets a copy (GDPR art.
// 7(1); the parts of ISO/IEC TS 27560). It holds no address and no user agent.
type Receipt struct {
	ID            string            `json:"record_id"` // UUIDv7
	SchemaVersion string            `json:"schema_version"`
	Subject       string            `json:"subject,omitempty"`      // absent when nobody is identified
	SubjectKind   string            `json:"subject_kind,omitempty"` // visitor, anonymous or user
	Controller    string            `json:"controller"`
	Source        string            `json:"source,omitempty"`
	Jurisdiction  string            `json:"jurisdiction"`
	Regimes       []string          `json:"regimes"`
	Policy        string            `json:"policy"`
	PolicyHash    string            `json:"policy_hash,omitempty"`
	Notice        *Notice           `json:"notice,omitempty"`
	Method        string            `json:"method"`
	Purposes      []ReceiptPurpose  `json:"purposes"` // those the choice named, as they stand after it
	Preferences   map[string]string `json:"preferences,omitempty"`
	Signals       []string          `json:"signals"`
	Evidence      *Evidence         `json:"evidence,omitempty"` // of what was chosen elsewhere
	CollectedAt   time.Time         `json:"collected_at"`
	AssertedAt    *time.Time        `json:"asserted_at,omitempty"` // as the device says, never after collected_at
}

// ReceiptPurpose is the state of one purpose.
type ReceiptPurpose struct {
	Name     string     `json:"name"`
	Status   string     `json:"status"`
	Basis    string     `json:"basis"`
	Revision int        `json:"revision"`
	Since    time.Time  `json:"since"`
	Until    *time.Time `json:"until,omitempty"` // a grant's end; a denial has none
}

// receipt writes down what the choice did.
func (r *Registry) receipt(w *recording, record *Record) *Receipt {
	c := w.c
	out := &Receipt{
		ID: w.id, SchemaVersion: ReceiptSchema,
		SubjectKind: record.Subject.Kind.String(), Subject: record.Subject.name(),
		Controller: r.o.Controller, Source: c.Source, Jurisdiction: c.Jurisdiction,
		Regimes: append([]string{}, c.Regimes...), Policy: c.Policy, PolicyHash: c.PolicyHash,
		Method: c.Method.String(), Preferences: c.Preferences, Signals: c.Signals.Names(), Evidence: c.Evidence,
		Purposes: []ReceiptPurpose{}, CollectedAt: w.now.UTC().Truncate(time.Microsecond),
	}
	if c.Notice != (Notice{}) {
		out.Notice = &c.Notice
	}
	if !c.AssertedAt.IsZero() {
		at := c.AssertedAt.UTC()
		if at.After(out.CollectedAt) {
			at = out.CollectedAt
		}
		out.AssertedAt = &at
	}
	for i, status := range w.named {
		if status == Unknown {
			continue
		}
		u := w.p.At(i)
		e := record.Find(u.Name)
		rp := ReceiptPurpose{
			Name: u.Name, Status: e.Status.String(), Basis: u.Basis.String(),
			Revision: e.Revision, Since: e.SinceTime(),
		}
		if rp.Since.After(out.CollectedAt) { // a version may be, just after another one
			rp.Since = out.CollectedAt
		}
		if e.Until != 0 {
			until := e.UntilTime()
			rp.Until = &until
		}
		out.Purposes = append(out.Purposes, rp)
	}
	return out
}

// envelope is a signed receipt. The signature covers the compact form of the
// receipt, so that indenting it breaks nothing.
type envelope struct {
	Receipt   json.RawMessage `json:"receipt"`
	Algorithm string          `json:"alg"`
	Key       string          `json:"key"`
	Signature string          `json:"signature"` // base64url
}

const receiptAlgorithm = "Ed25519"

// receiptKey makes a signing key of a derived secret (RFC 8032: a seed is 32 bytes).
func receiptKey(k *keys.Key) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(k.Secret[:])
}

// ReceiptPublicKeys are what VerifyReceipt needs, by key id; they may be published.
func ReceiptPublicKeys(ring []keys.Key) map[string]ed25519.PublicKey {
	out := make(map[string]ed25519.PublicKey, len(ring))
	for i := range ring {
		out[ring[i].ID] = receiptKey(&ring[i]).Public().(ed25519.PublicKey)
	}
	return out
}

func signReceipt(k *keys.Key, r *Receipt) ([]byte, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encoding receipt: %w", err)
	}
	return json.Marshal(envelope{
		Receipt:   body,
		Algorithm: receiptAlgorithm,
		Key:       k.ID,
		Signature: base64.RawURLEncoding.EncodeToString(ed25519.Sign(receiptKey(k), body)),
	})
}

// VerifyReceipt checks a signed receipt offline and returns what it proves. It
// may have been indented since; any other change is an error.
func VerifyReceipt(signed []byte, public map[string]ed25519.PublicKey) (*Receipt, error) {
	var e envelope
	if err := strict(signed, &e); err != nil {
		return nil, fmt.Errorf("decoding signed receipt: %w", err)
	}
	key, ok := public[e.Key]
	sig, err := base64.RawURLEncoding.Strict().DecodeString(e.Signature)
	var body bytes.Buffer
	switch {
	case e.Algorithm != receiptAlgorithm:
		return nil, errors.New("not signed with Ed25519")
	case !ok:
		return nil, errors.New("signed with a key that is not known")
	case json.Compact(&body, e.Receipt) != nil:
		return nil, errors.New("no receipt in it")
	case err != nil || !ed25519.Verify(key, body.Bytes(), sig):
		return nil, errors.New("the signature does not fit")
	}
	var r Receipt
	if err := strict(body.Bytes(), &r); err != nil {
		return nil, fmt.Errorf("decoding receipt: %w", err)
	}
	if r.SchemaVersion != ReceiptSchema {
		return nil, errors.New("a receipt of another schema")
	}
	return &r, nil
}

// strict decodes one JSON value with no unknown name and nothing after it.
func strict(raw []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if d.More() {
		return errors.New("something follows it")
	}
	return nil
}
