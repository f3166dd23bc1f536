// Command assent is a consent-aware first-party data collection proxy.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// errNegative is a command's negative answer: what there was to say has been said.
var errNegative = errors.New("negative answer")

// errMisuse wraps what is wrong with how a command was called.
type errMisuse struct{ error }

func main() { os.Exit(run(os.Args[1:])) }

// run is the whole program: 0 good, 1 a negative answer, 2 misuse.
func run(args []string) int {
	root := &cobra.Command{
		Use:           "assent",
		Short:         "Consent-aware first-party data collection",
		SilenceErrors: true, SilenceUsage: true,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return errMisuse{fmt.Errorf("%q is not a command; see assent --help", args[0])}
			}
			return c.Help()
		},
		Args: cobra.ArbitraryArgs,
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return errMisuse{err} })
	root.AddCommand(serveCommand(), checkCommand(), explainCommand(), decodeCommand(), regimesCommand(), journalCommand(), healthcheckCommand(), versionCommand())
	root.SetArgs(args)
	c, err := root.ExecuteC()
	var misuse errMisuse
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errNegative):
		return 1
	case errors.As(err, &misuse):
		fmt.Fprintf(os.Stderr, "assent: %s: %v\n", name(c), err)
		return 2
	}
	report(name(c), err)
	return 1
}

func name(c *cobra.Command) string {
	_, sub, ok := strings.Cut(c.CommandPath(), " ")
	if !ok {
		return "usage"
	}
	return sub
}

// noArgs refuses arguments as misuse.
func noArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return errMisuse{fmt.Errorf("takes no argument, got %q", args[0])}
	}
	return nil
}

// report writes each problem on a line of its own, as `assent: what: why`.
func report(what string, errs ...error) {
	for _, err := range errs {
		for line := range strings.Lines(err.Error()) {
			fmt.Fprintf(os.Stderr, "assent: %s: %s\n", what, strings.TrimRight(line, "\n"))
		}
	}
}
