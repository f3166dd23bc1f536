package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"assent/geo"
	"assent/policy"
)

// regimesFlags choose rows of the law table.
type regimesFlags struct {
	at, region string
	asJSON     bool
}

func regimesCommand() *cobra.Command {
	var f regimesFlags
	list := &cobra.Command{Use: "list", Short: "One line a regime", Example: "  assent regimes list --region US-CA", Args: noArgs, RunE: f.run(printRegimes)}
	show := &cobra.Command{Use: "show [NAME]", Short: "Everything the table says of a regime", Example: "  assent regimes show GDPR", Args: cobra.MaximumNArgs(1), RunE: f.run(showRegimes)}
	c := &cobra.Command{
		Use: "regimes", Short: "The built-in law table: defaults, sources, effective dates",
		Example: "  assent regimes\n  assent regimes show --region US-CA --at 2022-12-31", Args: noArgs, RunE: list.RunE,
	}
	diff := &cobra.Command{
		Use: "diff", Short: "What is in force on --at and not today (+), and the other way round (-)",
		Example: "  assent regimes diff --at 2027-05-01 --region US-CA", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return f.diff(c.OutOrStdout()) },
	}
	c.AddCommand(list, show, diff)
	s := c.PersistentFlags()
	s.StringVar(&f.at, "at", "", "only what is in force on this `date`")
	s.StringVar(&f.region, "region", "", "only what holds there: FR, US-CA, …")
	s.BoolVar(&f.asJSON, "json", false, "print JSON")
	return c
}

// rows are those in force on a day and in a region, as far as they are named.
func (f *regimesFlags) rows(at string) ([]*policy.Law, error) {
	table := policy.RegimeTable()
	now := time.Now()
	if at != "" {
		var err error
		if now, err = parseDate(at); err != nil {
			return nil, err
		}
	}
	if f.region != "" {
		j, err := geo.Parse(f.region)
		if err != nil {
			return nil, errMisuse{fmt.Errorf("--region: %w", err)}
		}
		return table.Laws(j, now), nil
	}
	return slices.DeleteFunc(slices.Clone(table.Rows), func(l *policy.Law) bool {
		return at != "" && (now.Before(l.From) || !l.Until.IsZero() && !now.Before(l.Until))
	}), nil
}

// run prints the rows, or those of one name.
func (f *regimesFlags) run(print func(io.Writer, []*policy.Law) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		list, err := f.rows(f.at)
		if err != nil {
			return err
		}
		if len(args) > 0 {
			list = slices.DeleteFunc(list, func(l *policy.Law) bool { return !strings.EqualFold(l.Name, args[0]) })
			if len(list) == 0 {
				return fmt.Errorf("no regime %q in force there and then", args[0])
			}
		}
		if f.asJSON {
			enc := json.NewEncoder(c.OutOrStdout())
			enc.SetIndent("", "  ")
			return enc.Encode(list)
		}
		return print(c.OutOrStdout(), list)
	}
}

// diff prints what is in force on the day and not today, and the other way round.
func (f *regimesFlags) diff(out io.Writer) error {
	if f.at == "" {
		return errMisuse{fmt.Errorf("needs a date: --at 2027-05-01")}
	}
	then, err := f.rows(f.at)
	if err != nil {
		return err
	}
	now, err := f.rows(time.Now().UTC().Format(time.DateOnly))
	if err != nil {
		return err
	}
	gained, lost := without(then, now), without(now, then)
	if f.asJSON {
		return json.NewEncoder(out).Encode(map[string]any{"gained": gained, "lost": lost})
	}
	for i, list := range [][]*policy.Law{gained, lost} {
		for _, l := range list {
			fmt.Fprintf(out, "%c %s  %s, from %s until %s\n", "+-"[i], l.Name, l.Title, day(l.From), day(l.Until))
		}
	}
	return nil
}

// without gives the rows of a that are not in b.
func without(a, b []*policy.Law) []*policy.Law {
	return slices.DeleteFunc(slices.Clone(a), func(l *policy.Law) bool { return slices.Contains(b, l) })
}

func day(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Format(time.DateOnly)
}

func printRegimes(out io.Writer, list []*policy.Law) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "REGIME\tDEFAULT\tFROM\tUNTIL\tOPT-OUT SIGNAL\tTITLE")
	for _, l := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", l.Name, l.Mode, day(l.From), day(l.Until), l.UniversalOptOut, l.Title)
	}
	return w.Flush()
}

func showRegimes(out io.Writer, list []*policy.Law) error {
	for _, l := range list {
		fmt.Fprintf(out, "%s  %s\n  default: %s   from: %s   until: %s\n", l.Name, l.Title, l.Mode, day(l.From), day(l.Until))
		fmt.Fprintf(out, "  places: %s\n  universal opt-out withdraws: %s   third party is a sale: %s   sensitive: %s\n",
			strings.Join(l.Places, " "), l.UniversalOptOut, yesNo(l.ThirdPartyIsSale), l.Sensitive)
		if l.LifeMonths > 0 {
			fmt.Fprintf(out, "  a grant ends after: %d months\n", l.LifeMonths)
		}
		topics := make([]string, 0, len(l.Law))
		for t := range l.Law {
			topics = append(topics, t)
		}
		slices.Sort(topics)
		for _, t := range topics {
			fmt.Fprintf(out, "  %-20s %s\n", t+":", l.Law[t])
		}
		fmt.Fprintln(out)
	}
	return nil
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
