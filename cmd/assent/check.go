package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"assent/geo/mmdb"
	"assent/policy"
	"assent/strictyaml"
)

func checkCommand() *cobra.Command {
	var path, policyPath, against string
	var asJSON bool
	c := &cobra.Command{
		Use: "check", Short: "Validate config, policy and databases; every problem at once",
		Long: `Runs what a start and a reload run, but for what would be written, and tells every problem at once with its
place. Warnings are of what stands and does not do what it says; they do not change the exit code.`,
		Example: "  assent check -c assent.yaml\n  assent check -p policy.yaml --against old.yaml", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			errs, warnings := check(path, policyPath, against)
			if asJSON {
				return printProblems(c.OutOrStdout(), errs, warnings)
			}
			report("check: warning", warnings...)
			if len(errs) > 0 {
				report("check", errs...)
				return errNegative
			}
			fmt.Fprintln(c.OutOrStdout(), "ok")
			return nil
		},
	}
	f := c.Flags()
	f.StringVarP(&path, "config", "c", "", "config `file`")
	f.StringVarP(&policyPath, "policy", "p", "", "policy `file`, above the config's")
	f.StringVar(&against, "against", "", "older policy `file`: a consent purpose that widened needs a new revision")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// check opens everything serve would open, except what it would write to.
func check(path, policyPath, against string) (errs, warnings []error) {
	cfg, err := loadConfig(path, &config{Policy: policyPath})
	if err != nil {
		errs = append(errs, err)
	}
	if cfg == nil {
		return errs, nil
	}
	add := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	_, _, p := cfg.examine()
	add(p.err())
	if len(cfg.Kafka.Brokers) == 0 {
		add(leftBehind(cfg.Journal.Dir))
	}
	_, err = mmdb.Open(mmdb.Options{Place: cfg.Geo.File, Anonymous: cfg.Geo.Anonymous})
	add(err)
	if w := cfg.warnings(); len(w) > 0 {
		warnings = append(warnings, w)
	}
	wrong, further := checkPolicies(cfg, against)
	return append(errs, wrong...), append(warnings, further...)
}

// checkPolicies makes of keys and policy what serve makes of them.
func checkPolicies(cfg *config, against string) (errs, warnings []error) {
	ring, err := checkKeys(cfg.Keys)
	if err != nil {
		return []error{err}, nil
	}
	pol, _, err := readPolicy(cfg.Policy, ring, cfg.reserved())
	if err != nil {
		return []error{err}, nil
	}
	if cfg.Policy != "" { // the embedded one is not theirs to change
		if w := pol.Document().Warnings(); len(w) > 0 {
			warnings = append(warnings, w)
		}
	}
	if against != "" {
		old, _, err := readPolicy(against, ring, nil)
		if err != nil {
			return append(errs, fmt.Errorf("the older policy: %w", err)), warnings
		}
		if wrong := policy.Against(old.Document(), pol.Document()); len(wrong) > 0 {
			errs = append(errs, wrong)
		}
	}
	return errs, warnings
}

// problemRows are problems one by one, each with its place if it has one.
func problemRows(errs []error) []strictyaml.Problem {
	list := []strictyaml.Problem{}
	for _, err := range errs {
		var placed strictyaml.Problems
		if !errors.As(err, &placed) {
			placed = strictyaml.Problems{{Message: err.Error()}}
		}
		list = append(list, placed...)
	}
	return list
}

func printProblems(out io.Writer, errs, warnings []error) error {
	answer := map[string]any{"ok": len(errs) == 0, "problems": problemRows(errs), "warnings": problemRows(warnings)}
	if err := json.NewEncoder(out).Encode(answer); err != nil {
		return err
	}
	if len(errs) > 0 {
		return errNegative
	}
	return nil
}

// unjoin gives the parts of an error that errors.Join made.
func unjoin(err error) []error {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		return joined.Unwrap()
	}
	return []error{err}
}
