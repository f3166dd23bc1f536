package store

import (
	"encoding/binary"
	"errors"

	"assent/consent"

	"github.com/cockroachdb/pebble/v2"
)

// Bounds of what is kept beside the records, whose size consent bounds. Somebody who
// asks what was recorded is answered from the newest choices (California asks for 24
// months of requests, CCR title 11, § 7101: a thousand is more than one a day).
// Receipts of nobody answer nobody's request and only prove what was shown when: they
// are bounded all together.
const (
	maxReceipts     = 1000
	maxReceiptBytes = 1 << 20
	defaultNobody   = 1_000_000
)

var countKey = []byte{'c'}

// batch is a change as Pebble has it, with the removal of what the change drives out.
func (in *instance) batch(c *consent.Change) (*pebble.Batch, error) {
	b := in.db.NewBatch()
	var err error
	set := func(key, value []byte) { err = errors.Join(err, b.Set(key, value, nil)) }
	for _, r := range c.Records {
		key := subjectKey('r', r.Subject)
		set(key, seal(key, consent.AppendRecord(nil, r)))
	}
	links := map[consent.Subject][]byte{}
	for i := range c.Links {
		l := &c.Links[i]
		links[l.Alias] = consent.AppendLink(links[l.Alias], l)
	}
	for alias, value := range links {
		key := subjectKey('l', alias)
		set(key, seal(key, value))
	}
	switch {
	case c.ReceiptID == "":
	case c.About.IsZero():
		key := receiptKey('a', c.ReceiptID)
		set(key, seal(key, c.Receipt))
		err = errors.Join(err, in.pruneNobody(b))
	default:
		key := receiptKey('p', c.ReceiptID)
		set(key, seal(key, c.Receipt))
		set(append(ownerKey(c.About), c.ReceiptID...), binary.BigEndian.AppendUint32(nil, uint32(len(c.Receipt))))
		err = errors.Join(err, in.pruneOf(b, c))
	}
	if err != nil {
		return nil, errors.Join(errors.New("consent store: a write could not be put together"), b.Close())
	}
	return b, nil
}

// pruneOf removes a subject's oldest receipts beyond the bounds, but for those that what
// is on record rests on: who relies on a grant must be able to prove it (GDPR art. 7(1)).
func (in *instance) pruneOf(b *pebble.Batch, c *consent.Change) error {
	prefix := ownerKey(c.About)
	it, err := in.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: after(prefix)})
	if err != nil {
		return errReading
	}
	standing := map[string]bool{}
	for _, r := range c.Records {
		for i := range r.Entries {
			standing[r.Entries[i].Receipt] = true
		}
	}
	n, size := 1, len(c.Receipt)
	for ok := it.Last(); ok; ok = it.Prev() {
		if v := it.Value(); len(v) == 4 {
			size += int(binary.BigEndian.Uint32(v))
		}
		id := string(it.Key()[len(prefix):])
		if n++; (n > maxReceipts || size > maxReceiptBytes) && !standing[id] {
			err = errors.Join(err, b.Delete(it.Key(), nil), b.Delete(receiptKey('p', id), nil))
		}
	}
	if it.Error() != nil || it.Close() != nil {
		return errReading
	}
	return err
}

// pruneNobody counts receipts of nobody and removes the oldest when there are too many.
// The count on disk is that of whichever batch came last, and may be off by those that
// were on their way beside it when the process died.
func (in *instance) pruneNobody(b *pebble.Batch) error {
	count := in.nobody.Add(1)
	if count >= in.maxNobody+in.maxNobody/100 && in.prune.TryLock() {
		defer in.prune.Unlock()
		removed, err := in.removeNobody(b, int(count-in.maxNobody))
		if err != nil {
			return err
		}
		count = in.nobody.Add(-int64(removed))
	}
	return b.Set(countKey, binary.BigEndian.AppendUint64(nil, uint64(count)), nil)
}

func (in *instance) removeNobody(b *pebble.Batch, n int) (removed int, err error) {
	it, err := in.db.NewIter(&pebble.IterOptions{LowerBound: []byte{'a'}, UpperBound: []byte{'a' + 1}})
	if err != nil {
		return 0, errReading
	}
	for ok := it.First(); ok && removed < n; ok = it.Next() {
		removed++
	}
	if it.Valid() && removed > 0 {
		err = b.DeleteRange([]byte{'a'}, it.Key(), nil)
	} else {
		removed = 0
	}
	if it.Error() != nil || it.Close() != nil {
		return 0, errReading
	}
	return removed, err
}
