package consent

import "fmt"

// alias is a tracker's own id that a choice names, as the store knows it.
type alias struct {
	subject Subject // zero: the choice names none
	own     *Record // recorded for the id itself
	link    Link
	held    bool
	record  *Record // of the holder
	taken   bool    // the id is some visitor's own
}

func (r *Registry) linked(s Subject) (Link, bool, error) {
	if s.IsZero() {
		return Link{}, false, nil
	}
	link, held, err := r.o.Store.Linked(s)
	if err != nil {
		return Link{}, false, fmt.Errorf("reading a link: %w", err)
	}
	return link, held, nil
}

// write adds to w what the choice means for the tracker's own id. Of an id for which
// nothing is on record, or which is the chooser's own, the chooser becomes the holder,
// whose record answers for it from then on. On any other id only denials fall, with
// this choice's version, so that the holder cannot answer for whoever refused.
func (a *alias) write(w *Write, record *Record, v Version) {
	if a.subject.IsZero() || a.held && a.link.Holder == record.Subject {
		return
	}
	denied := record.denials()
	free := len(a.own.entries()) == 0 && !a.taken
	own := record.Subject == Subject{Visitor, a.subject.ID}
	if !a.held && (free || own) {
		w.Links = map[Subject]Link{a.subject: {Holder: record.Subject, Version: v}}
		denied = denied.where(func(e *Entry) bool { return e.Carried })
	}
	if len(denied.Entries) == 0 {
		return
	}
	for i := range denied.Entries {
		e := &denied.Entries[i]
		e.Version, e.Since, e.Carried = v, v.Time, false
	}
	record = Merge(a.own, denied)
	record.Subject = a.subject
	w.Records = append(w.Records, record)
}
