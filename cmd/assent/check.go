package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"assent/geo/mmdb"
	"assent/keys"
	"assent/policy"
)

func checkCommand() *cobra.Command {
	var path, policyPath, against string
	var asJSON bool
	c := &cobra.Command{
		Use: "check", Short: "Validate config, policy and databases; every problem at once",
		Example: "  assent check -c assent.yaml\n  assent check -p policy.yaml --against old.yaml", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			errs := check(path, policyPath, against)
			if asJSON {
				return printProblems(c.OutOrStdout(), errs)
			}
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
func check(path, policyPath, against string) (errs []error) {
	cfg, err := loadConfig(path, &config{Policy: policyPath})
	if err != nil {
		errs = unjoin(err)
	}
	if cfg == nil {
		return errs
	}
	p := cfg.validate()
	cfg.sources(p)
	cfg.proxies(p)
	cfg.checkOptions(p)
	errs = append(errs, p.list...)
	if _, err := mmdb.Open(mmdb.Options{Place: cfg.Geo.File, Anonymous: cfg.Geo.Anonymous}); err != nil {
		errs = append(errs, err)
	}
	ring, err := checkKeys(cfg.Keys)
	if err != nil {
		return append(errs, err)
	}
	pol, _, err := readPolicy(cfg.Policy, ring)
	if err != nil {
		errs = append(errs, err)
	}
	if against != "" && pol != nil {
		old, _, err := readPolicy(against, ring)
		if err != nil {
			return append(errs, fmt.Errorf("the older policy: %w", err))
		}
		if wrong := policy.Against(old.Document(), pol.Document()); len(wrong) > 0 {
			errs = append(errs, wrong)
		}
	}
	return errs
}

// checkKeys reads the ring if there is one; serve makes one where there is none.
func checkKeys(path string) (*keys.Ring, error) {
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return keys.Generate(zeros{})
	}
	return loadKeys(path)
}

// zeros stands in for randomness where the keys made with it are thrown away.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func printProblems(out io.Writer, errs []error) error {
	type row struct {
		File    string `json:"file,omitempty"`
		Line    int    `json:"line,omitempty"`
		Column  int    `json:"column,omitempty"`
		Path    string `json:"path,omitempty"`
		Message string `json:"message"`
	}
	list := []row{}
	for _, err := range errs {
		var wrong policy.Problems
		if errors.As(err, &wrong) {
			for _, w := range wrong {
				list = append(list, row{File: w.File, Line: w.Line, Column: w.Column, Message: w.Message})
			}
			continue
		}
		var p *problem
		if errors.As(err, &p) {
			list = append(list, row{p.file, p.line, p.column, p.at, p.err.Error()})
			continue
		}
		list = append(list, row{Message: err.Error()})
	}
	if err := json.NewEncoder(out).Encode(map[string]any{"ok": len(list) == 0, "problems": list}); err != nil {
		return err
	}
	if len(list) > 0 {
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
