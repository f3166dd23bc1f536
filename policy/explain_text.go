package policy

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// WriteText writes the explanation for a person at a terminal.
func (x *Explanation) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "policy   %s (%.12s)\nplace    %s\n", x.Policy, x.Hash, x.Jurisdiction)
	for _, l := range x.Regimes {
		fmt.Fprintf(&b, "regime   %s, %s: %s (%s)\n", l.Name, strings.ReplaceAll(string(l.Mode), "_", "-"), l.Title, l.Law["source"])
	}
	if x.Refused != "" {
		fmt.Fprintf(&b, "refused  %s\n", strings.TrimSuffix(x.Refused+": "+x.RefusedAt, ": "))
		_, err := io.WriteString(w, b.String())
		return err
	}
	rule := "by default"
	if x.Event.Line > 0 {
		rule = fmt.Sprintf("line %d", x.Event.Line)
	}
	kind := x.Event.Type
	if x.Event.Event != "" {
		kind = strings.TrimSpace(fmt.Sprintf("%s %q", kind, x.Event.Event))
	}
	for i := range x.Heard {
		fmt.Fprintf(&b, "signal   %s\n", x.Heard[i].String())
	}
	fmt.Fprintf(&b, "event    %s: for %s, %s\n\n", cmp.Or(kind, "of no type"), strings.Join(x.Event.Purposes, ", "), rule)
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, p := range x.Purposes {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s (%s)\n", yesNo(p.Allowed), p.Name, p.Status, p.Why, strings.Join(p.Law, "; "))
	}
	t.Flush() // into memory
	for _, r := range x.Recipients {
		fmt.Fprintf(&b, "\n%s (%s): %s, because %s\n", r.Name, r.Topic, map[bool]string{true: "receives it", false: "withheld"}[r.Pass], r.Why)
		if !r.Pass {
			continue
		}
		t = tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		for _, f := range r.Fields {
			f.writeText(t)
		}
		t.Flush()
		fmt.Fprintf(&b, "  = %s\n", r.Output)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (f *FieldFate) writeText(w io.Writer) {
	path, line := f.Path, ""
	if f.Count > 1 {
		path = fmt.Sprintf("%s ×%d", path, f.Count)
	}
	if f.Offered {
		path += " (supplied)"
	}
	if f.Line > 0 {
		line = fmt.Sprintf("line %d", f.Line)
	}
	reason := f.Reason
	if f.Form != "" {
		reason = f.Form + "; " + reason
	}
	if f.Why != "" {
		reason += fmt.Sprintf(" (%q)", f.Why)
	}
	fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", f.Fate, path, line, reason)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
