package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/avroline/avroline/codegen"
	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/avscfile"
)

// app holds the shared parts of all commands. These are the streams, the
// environment and the common flags. Results go to stdout. All other output goes
// to stderr.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
	environ        func() []string // as os.Environ; nil means no misspelt variable

	format       format
	configFile   string
	registryFile string          // --registry-config
	allowOutside bool            // IDL may import files from anywhere
	imports      []string        // --import: where missing types are searched
	ctx          context.Context //nolint:containedctx // the context of the run, for the Go command

	staging staging // of the files that the command writes
	config  *config // of loadConfig, which reads the file once
}

// commands returns the subcommands in the order of the help. Each subcommand
// has its own file.
func commands() []func(*app) *cobra.Command {
	return []func(*app) *cobra.Command{
		newGenerateCommand,
		newDecodeCommand,
		newEncodeCommand,
		newCheckCommand,
		newDiffCommand,
		newFmtCommand,
		newLintCommand,
		newSchemaCommand,
		newSampleCommand,
		newDocsCommand,
		newRegisterCommand,
		newPullCommand,
		newLSPCommand,
		newVersionCommand,
	}
}

// The exit statuses of avrogen.
const (
	exitOK       = 0 // done, nothing to report
	exitFindings = 1 // the schemas need attention
	exitUsage    = 2 // wrong usage
	exitWorld    = 3 // the environment failed: unreadable file, registry not reachable

	exitInterrupted = 128 + 2  // by Ctrl-C
	exitTerminated  = 128 + 15 // by SIGTERM
)

// errReported ends a command with status 1. The findings are already printed.
var errReported = errors.New("findings were reported")

// usageError ends a command with status 2.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// usagef returns an error about wrong usage. The command then ends with status
// 2, and the error text refers to --help.
func usagef(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

// usageArgs makes a wrong number of arguments a usage error. want says which
// arguments the command takes.
func usageArgs(check cobra.PositionalArgs, want string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if check(cmd, args) == nil {
			return nil
		}
		if len(args) == 0 {
			return usagef("an argument is missing: give %s", want)
		}
		return usagef("wrong arguments %q: give %s", args, want)
	}
}

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "avrogen",
		Short: "Avro schemas: Go code, evolution, registry",
		Long: `avrogen turns Avro schemas into Go code, and checks the evolution of schemas.

PATH is a file, a folder (all .avsc, .avpr and .avdl files in it), or folder/...
(also the folders below). An avrogen.yaml in the root folder of the schemas may
contain the same settings as the flags. Flags override the file.

Exit status: 0 done, nothing to report; 1 the schemas need attention; 2 wrong
usage; 3 another failure, such as an unreadable file; 130 interrupted by Ctrl-C;
143 ended by SIGTERM. No file is left half written.`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		Args:              cobra.ArbitraryArgs,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknownCommand(cmd, args[0])
		},
		Version: version(),
	}
	root.SetVersionTemplate("avrogen {{.Version}}\n")
	root.SuggestionsMinimumDistance = 2
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages", ".FlagUsagesWrapped 80"))
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	flags := root.PersistentFlags()
	flags.Var(&a.format, "format", "format of findings")
	flags.StringVar(&a.configFile, "config", "", "settings `FILE` (default: nearest avrogen.yaml)")
	flags.BoolVar(&a.allowOutside, "allow-outside", false, "let IDL import files outside of PATHs")
	flags.StringArrayVar(&a.imports, "import", nil, "also search missing types in `PATH` or module:MODULE/PATH")
	for _, newCommand := range commands() {
		cmd := newCommand(a)
		cmd.DisableFlagsInUseLine = true // the usage lines already name the flags
		root.AddCommand(cmd)
	}
	root.SetHelpCommand(&cobra.Command{
		Use:   "help [command]",
		Short: "Print the help of a command",
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return unknownCommand(root, strings.Join(args, " "))
			}
			cmd.InitDefaultHelpFlag()
			return cmd.Help()
		},
	})
	return root
}

// unknownCommand returns a usage error with the intended command.
func unknownCommand(root *cobra.Command, name string) error {
	if near := root.SuggestionsFor(name); len(near) > 0 {
		return usagef("unknown command %q: did you mean %s?", name, strings.Join(near, " or "))
	}
	return usagef("unknown command %q", name)
}

// interruptedError is the cause if a signal ended the context.
type interruptedError struct{ signal os.Signal }

func (e *interruptedError) Error() string { return "interrupted: " + e.signal.String() }

// run runs the command line and returns the exit status. If ctx ends, run
// returns at once and leaves no file half written. The caller must then end the
// process, because the command may still be running.
func run(ctx context.Context, a *app, args []string) int {
	done := make(chan int, 1)
	go func() { done <- a.execute(ctx, args) }()
	select {
	case code := <-done:
		if ctx.Err() == nil {
			return code
		}
	case <-ctx.Done():
	}
	a.staging.abandon()
	var interrupted *interruptedError
	if errors.As(context.Cause(ctx), &interrupted) && interrupted.signal == syscall.SIGTERM {
		return exitTerminated
	}
	return exitInterrupted
}

// execute runs the command line and returns the exit status.
func (a *app) execute(ctx context.Context, args []string) int {
	root := newRoot(a)
	root.SetArgs(args)
	a.ctx = ctx
	cmd, err := root.ExecuteContextC(ctx)
	if ctx.Err() != nil {
		return exitInterrupted // the command's own error does not matter
	}
	var usage *usageError
	var noSchemas *avscfile.NoSchemasError
	var mistakes avsc.Errors
	var mistake *avsc.Error
	var generator codegen.Errors
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errReported):
		return exitFindings
	case errors.As(err, &mistakes):
		return a.reportMistakes(mistakes)
	case errors.As(err, &generator):
		return a.reportMistakes(internalMistakes(generator))
	case errors.As(err, &mistake):
		return a.reportMistakes(avsc.Errors{mistake})
	case errors.As(err, &usage), errors.As(err, &noSchemas):
		a.complain("avrogen: %v\nRun '%s --help' for usage.\n", err, cmd.CommandPath())
		return exitUsage
	default:
		advice := adviceOnRegistry(err)
		if advice != "" {
			advice = ": " + advice
		}
		a.complain("avrogen: %v%s\n", err, advice)
		return exitWorld
	}
}

// internalMistakes converts the mistakes that the generator found.
func internalMistakes(found codegen.Errors) avsc.Errors {
	mistakes := make(avsc.Errors, len(found))
	for i, e := range found {
		mistakes[i] = &avsc.Error{Pos: avsc.Pos{File: e.File, Line: e.Line, Col: e.Column}, What: e.Problem, Fix: e.Fix}
	}
	return mistakes
}

// reportMistakes prints the mistakes in schemas as findings.
func (a *app) reportMistakes(mistakes avsc.Errors) int {
	if err := a.report(mistakeFindings(mistakes)); err != nil && !errors.Is(err, errReported) {
		a.complain("avrogen: %v\n", err)
		return exitWorld
	}
	return exitFindings
}

// complain writes to stderr. On a terminal, it wraps the lines.
func (a *app) complain(format string, args ...any) {
	text := visible(fmt.Sprintf(format, args...))
	if width := terminalWidth(a.stderr); width > 0 {
		text = wrap(text, width)
	}
	_, _ = io.WriteString(a.stderr, text) // there is no other place for the text
}
