package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"assent/sinks/journal"
)

func journalCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "journal",
		Short:   "Look into what waits for Kafka, or send it",
		Example: "  assent journal inspect --data ./assent-data\n  assent journal drain --kafka localhost:9092",
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(inspectCommand(), drainCommand())
	return c
}

func inspectCommand() *cobra.Command {
	var path string
	var flags config
	var asJSON, waiting bool
	c := &cobra.Command{
		Use:   "inspect",
		Short: "List the journal's entries, redacted: no key, no value, no header's value",
		Long: `Lists the journal's entries, oldest first, and sums them up. It shows sizes, sources, places, policies, topics
and header names; never a key, a value or anything of a person. segment@offset lines are regions that hold no entry:
damaged (skipped), quarantined (bytes kept in the journal's quarantine folder) and torn (cut off by a crash, acknowledged
to nobody). It only reads, also beside a running serve.`,
		Example: "  assent journal inspect\n  assent journal inspect -c assent.yaml --waiting --json | jq .records",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := loadConfig(path, &flags)
			if err != nil {
				return err
			}
			out := c.OutOrStdout()
			show, sum := printItem, printTotals
			if asJSON {
				show, sum = printItemJSON, printTotalsJSON
			}
			totals, err := journal.Inspect(cfg.Journal.Dir, func(it *journal.Item) error {
				if waiting && !waits(it) {
					return nil
				}
				return show(out, it)
			})
			if err != nil {
				return err
			}
			return sum(out, &totals)
		},
	}
	f := c.Flags()
	f.StringVarP(&path, "config", "c", "", "config `file`")
	f.StringVar(&flags.Data, "data", "", "data `directory` (default ./assent-data)")
	f.BoolVar(&waiting, "waiting", false, "only events of which a record waits")
	f.BoolVar(&asJSON, "json", false, "print JSON, an entry a line")
	return c
}

func waits(it *journal.Item) bool {
	for _, r := range it.Records {
		if r.Waiting {
			return true
		}
	}
	return false
}

// printItem writes an entry as a line, and one for each of its records.
func printItem(out io.Writer, it *journal.Item) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%d/%d %s %d bytes", it.Segment, it.Index, it.Kind, it.Bytes)
	if !it.At.IsZero() {
		fmt.Fprintf(&b, " at %s", it.At.UTC().Format(time.RFC3339Nano))
	}
	for _, p := range []struct{ name, value string }{
		{"source", it.Source}, {"place", it.Place}, {"policy", it.Policy}, {"topic", it.Partition.Topic}, {"cause", it.Cause},
	} {
		if p.value != "" {
			fmt.Fprintf(&b, " %s %s", p.name, p.value)
		}
	}
	if it.Reservation != 0 {
		fmt.Fprintf(&b, " plan %x", it.Reservation)
	}
	if it.Kind == "plan" {
		fmt.Fprintf(&b, " partition %d", it.Partition.Number)
	}
	if it.Number > 0 {
		fmt.Fprintf(&b, " %d records", it.Number)
	}
	b.WriteByte('\n')
	for _, r := range it.Records {
		state := "settled"
		if r.Waiting {
			state = "waiting"
		}
		fmt.Fprintf(&b, "    %s value of %d bytes, %s (%s)\n", r.Topic, r.Value, state, strings.Join(r.Headers, " "))
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func printItemJSON(out io.Writer, it *journal.Item) error {
	row := map[string]any{"segment": it.Segment, "index": it.Index, "kind": it.Kind, "bytes": it.Bytes}
	add := func(name string, value any, there bool) {
		if there {
			row[name] = value
		}
	}
	add("at", it.At.UTC(), !it.At.IsZero())
	add("source", it.Source, it.Source != "")
	add("place", it.Place, it.Place != "")
	add("policy", it.Policy, it.Policy != "")
	add("plan", fmt.Sprintf("%x", it.Reservation), it.Reservation != 0)
	add("topic", it.Partition.Topic, it.Partition.Topic != "")
	add("partition", it.Partition.Number, it.Kind == "plan")
	add("number", it.Number, it.Number > 0)
	add("cause", it.Cause, it.Cause != "")
	var records []map[string]any
	for _, r := range it.Records {
		records = append(records, map[string]any{"topic": r.Topic, "value_bytes": r.Value, "headers": r.Headers, "waiting": r.Waiting})
	}
	add("records", records, records != nil)
	return json.NewEncoder(out).Encode(row)
}

// printTotals writes a line for each region without an entry, and the sums.
func printTotals(out io.Writer, t *journal.Totals) error {
	var b strings.Builder
	for _, r := range t.Regions {
		fmt.Fprintf(&b, "%d@%d %s %d bytes\n", r.Segment, r.Offset, r.Kind, r.Bytes)
	}
	fmt.Fprintf(&b, "%d segments, %d entries, %d bytes: %d events, %d records of which %d wait; %d unreadable entries",
		t.Segments, t.Entries, t.Bytes, t.Events, t.Records, t.Waiting, t.Unreadable)
	for _, kind := range journal.RegionKinds {
		n, bytes := t.Of(kind)
		fmt.Fprintf(&b, ", %d %s regions of %d bytes", n, kind, bytes)
	}
	b.WriteByte('\n')
	_, err := io.WriteString(out, b.String())
	return err
}

func printTotalsJSON(out io.Writer, t *journal.Totals) error {
	enc := json.NewEncoder(out)
	totals := map[string]any{
		"segments": t.Segments, "entries": t.Entries, "events": t.Events, "records": t.Records,
		"waiting": t.Waiting, "bytes": t.Bytes, "unreadable": t.Unreadable,
	}
	for _, r := range t.Regions {
		if err := enc.Encode(map[string]any{"segment": r.Segment, "offset": r.Offset, "kind": r.Kind, "bytes": r.Bytes}); err != nil {
			return err
		}
	}
	for _, kind := range journal.RegionKinds {
		totals[kind], totals[kind+"_bytes"] = t.Of(kind)
	}
	return enc.Encode(map[string]any{"totals": totals})
}
