package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/avscfile"
	"github.com/avroline/avroline/internal/avscfmt"
)

const ruleNotFormatted = "NOT_FORMATTED"

// formatter is one run of fmt.
type formatter struct {
	*app
	write, diff bool
}

func newFmtCommand(a *app) *cobra.Command {
	f := &formatter{app: a}
	cmd := &cobra.Command{
		Use:   "fmt [-w | -d] PATH...",
		Short: "Format schema files",
		Long: `Format schema files (.avsc, .avpr) in a single layout. Keys are in conventional
order. Each level is indented by two spaces. An object or array that fits into
100 columns stands on one line. Comments stay at their place. Formatting never
changes the meaning of a schema, and a second run changes nothing.

Without a flag, fmt reports the files that are not formatted. -w rewrites these
files. -d prints the changes. The PATH - formats standard input to standard
output. fmt does not change IDL (.avdl).`,
		Example: `  avrogen fmt -w schemas/...
  avrogen fmt schemas/...           in CI: status 1 when a file is not formatted`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case f.write && f.diff:
				return usagef("-w and -d: choose one, to write or to show")
			case f.diff && !f.format.isText():
				return usagef("-d prints a diff, which has no --format %s", f.format)
			}
			if slices.Equal(args, []string{"-"}) {
				return f.stdinToStdout()
			}
			cfg, err := a.loadConfig(args)
			if err != nil {
				return err
			}
			if args, err = cfg.paths(args); err != nil {
				return err
			}
			return f.run(cmd.Context(), args)
		},
	}
	cmd.Flags().BoolVarP(&f.write, "write", "w", false, "rewrite the files")
	cmd.Flags().BoolVarP(&f.diff, "diff", "d", false, "print the changes as a unified diff")
	return cmd
}

func (f *formatter) stdinToStdout() error {
	if f.write || f.diff {
		return usagef("standard input has no file for -w or -d")
	}
	text, err := io.ReadAll(f.stdin)
	if err != nil {
		return fmt.Errorf("standard input: %w", err)
	}
	out, err := avscfmt.Format("<stdin>", text)
	if err != nil {
		return err
	}
	return f.writeContent(out)
}

func (f *formatter) run(ctx context.Context, paths []string) error {
	for _, p := range paths {
		if path.Ext(p) == ".avdl" {
			return usagef("%s is IDL: fmt formats only .avsc and .avpr", p)
		}
		if strings.HasPrefix(p, avscfile.ModulePrefix) {
			return usagef("%s is of a Go module: fmt formats only files by their path", p)
		}
	}
	var disk avscfile.Loader
	names, err := disk.Files(paths...)
	if err != nil {
		return err
	}
	var findings []finding
	var diffs bytes.Buffer
	var formatted []output // printed after every file was read
	for _, name := range names {
		if path.Ext(name) == ".avdl" {
			continue
		}
		text, err := disk.Read(name)
		if err != nil {
			return err
		}
		out, err := avscfmt.Format(name, text)
		switch mistakes, ok := err.(avsc.Errors); { //nolint:errorlint // Format returns exactly this type
		case ok:
			findings = append(findings, mistakeFindings(mistakes)...)
		case err != nil:
			return err
		case bytes.Equal(text, out):
		case f.write:
			formatted = append(formatted, output{name, out})
		case f.diff:
			diffs.Write(diff.Diff(name, text, name, out))
		default:
			findings = append(findings, finding{
				File: name, Line: firstDifference(text, out), Col: 1, Rule: ruleNotFormatted,
				Message: "the layout is not that of avrogen fmt: run avrogen fmt -w",
			})
		}
	}
	if err := f.staging.write(ctx, formatted, nil); err != nil {
		return err
	}
	if err := f.writeContent(diffs.Bytes()); err != nil {
		return err
	}
	if err := f.report(findings); err != nil {
		return err
	}
	if diffs.Len() > 0 {
		return errReported
	}
	return nil
}

// firstDifference returns the number of the first different line.
func firstDifference(a, b []byte) int {
	x, y := strings.SplitAfter(string(a), "\n"), strings.SplitAfter(string(b), "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return i + 1
		}
	}
	return min(len(x), len(y))
}
