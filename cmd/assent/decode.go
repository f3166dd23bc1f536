package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"assent/consent/cmp"
	"assent/consent/signals"
)

func decodeCommand() *cobra.Command {
	var at string
	c := &cobra.Command{
		Use:   "decode [STRING]",
		Short: "What a consent string or a consent manager's cookie says, and whether it counts",
		Long: `Reads a TC, GPP, US Privacy, gcs, gcd, UET or consent manager's string and prints what it says, whether it may be
used as consent, and why (docs/signals.md). Without an argument: each line of stdin, one JSON object a line. A string may
stand behind its name, as in a cookie: OptanonConsent=…. Exit 1 if one of them may not be used.`,
		Example: "  assent decode DBABLA~BVQqAAAAAgA.QA\n  assent decode 1YNN\n  zcat strings.gz | assent decode | jq -c 'select(.valid|not).reasons'",
		RunE: func(c *cobra.Command, args []string) error {
			now := time.Now()
			if at != "" {
				var err error
				if now, err = parseDate(at); err != nil {
					return err
				}
			}
			switch len(args) {
			case 0:
				return decodeLines(c.OutOrStdout(), c.InOrStdin(), now)
			case 1:
				return decodeOne(c.OutOrStdout(), args[0], now)
			}
			return errMisuse{fmt.Errorf("takes one string, or none and lines on stdin; got %d: put it in quotes", len(args))}
		},
	}
	c.Flags().StringVar(&at, "at", "", "judge as on this `date`")
	c.Flags().Bool("json", true, "JSON is what it prints")
	return c
}

func decodeOne(out io.Writer, text string, now time.Time) error {
	var d signals.Decoder
	line, valid := d.AppendJSON(nil, []byte(text), now)
	if _, err := out.Write(append(line, '\n')); err != nil {
		return err
	}
	if !valid {
		return errNegative
	}
	return nil
}

// decodeLines answers each line by a line, blank ones too. Of a line of any length twice as
// much is held as is ever read of one: enough to see that it is too long.
func decodeLines(out io.Writer, in io.Reader, now time.Time) error {
	r, w := bufio.NewReaderSize(in, 2*cmp.MaxText), bufio.NewWriterSize(out, 1<<16)
	var d signals.Decoder
	var answer, long []byte
	all := true
	var failed error
	for {
		line, err := r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			long = append(long[:0], line...)
			line = long
			for errors.Is(err, bufio.ErrBufferFull) {
				_, err = r.ReadSlice('\n')
			}
		}
		ended := err == nil
		if !ended && !errors.Is(err, io.EOF) {
			failed = err
			break
		}
		if len(line) == 0 && !ended {
			break
		}
		if n := len(line) - 1; n >= 0 && line[n] == '\n' {
			line = line[:n]
		}
		var valid bool
		answer, valid = d.AppendJSON(answer[:0], line, now)
		all = all && valid
		if _, err := w.Write(append(answer, '\n')); err != nil {
			return err
		}
		if !ended {
			break
		}
	}
	if err := errors.Join(w.Flush(), failed); err != nil {
		return err
	}
	if !all {
		return errNegative
	}
	return nil
}
