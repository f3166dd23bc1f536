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
		Short:   "Look into what waits for Kafka",
		Example: "  assent journal inspect --data ./assent-data",
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(inspectCommand())
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
and header names; never a key, a value or anything of a person. It only reads, also beside a running serve.`,
		Example: "  assent journal inspect\n  assent journal inspect -c assent.yaml --waiting --json | jq .records",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := loadConfig(path, &flags)
			if err != nil {
				return err
			}
			print := printItem
			if asJSON {
				print = printItemJSON
			}
			out := c.OutOrStdout()
			totals, err := journal.Inspect(cfg.Journal.Dir, func(it *journal.Item) error {
				if waiting && !waits(it) {
					return nil
				}
				return print(out, it)
			})
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(out).Encode(map[string]any{"totals": map[string]any{
					"segments": totals.Segments, "entries": totals.Entries, "events": totals.Events, "records": totals.Records,
					"waiting": totals.Waiting, "bytes": totals.Bytes, "damaged": totals.Damaged, "unreadable": totals.Unreadable,
				}})
			}
			_, err = fmt.Fprintf(out, "%d segments, %d entries, %d bytes: %d events, %d records of which %d wait; %d damaged regions, %d unreadable entries\n",
				totals.Segments, totals.Entries, totals.Bytes, totals.Events, totals.Records, totals.Waiting, totals.Damaged, totals.Unreadable)
			return err
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
		{"source", it.Source}, {"place", it.Place}, {"policy", it.Policy}, {"topic", it.Lane.Topic}, {"cause", it.Cause},
	} {
		if p.value != "" {
			fmt.Fprintf(&b, " %s %s", p.name, p.value)
		}
	}
	if it.Plan != 0 {
		fmt.Fprintf(&b, " plan %x", it.Plan)
	}
	if it.Kind == "plan" {
		fmt.Fprintf(&b, " partition %d", it.Lane.Partition)
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
	add("plan", fmt.Sprintf("%x", it.Plan), it.Plan != 0)
	add("topic", it.Lane.Topic, it.Lane.Topic != "")
	add("partition", it.Lane.Partition, it.Kind == "plan")
	add("number", it.Number, it.Number > 0)
	add("cause", it.Cause, it.Cause != "")
	var records []map[string]any
	for _, r := range it.Records {
		records = append(records, map[string]any{"topic": r.Topic, "value_bytes": r.Value, "headers": r.Headers, "waiting": r.Waiting})
	}
	add("records", records, records != nil)
	return json.NewEncoder(out).Encode(row)
}
