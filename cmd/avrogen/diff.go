package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/avroline/avroline/internal/check"
)

func newDiffCommand(a *app) *cobra.Command {
	var mapFlags []string
	cmd := &cobra.Command{
		Use:   "diff [--map OLD=NEW]... OLD NEW",
		Short: "Tell what changes between two versions mean",
		Long: `Tell what was changed between two versions of schemas, by meaning and not by
text, each change with its effect on readers of the old version and on data that
was written with it.

OLD and NEW are files, folders or folder/..., or one of them at a git commit:
git:REF:PATH, or git:REF for the path of the other. Schemas are matched by full
name or an alias; two files of one schema each are versions of it. What a file
refers to is looked for beside and below it. --map tells that a namespace or a
type has another name now.

The status is 1 when a change breaks old readers or old data, else 0.`,
		Example: `  avrogen diff order-v1.avsc order-v2.avsc
  avrogen diff git:origin/main schemas/...
  avrogen diff --map acme.v1=acme.v2 schemas/v1 schemas/v2`,
		Args: usageArgs(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := a.loadConfig(nil)
			if err != nil {
				return err
			}
			renames, err := cfg.renames(mapFlags)
			if err != nil {
				return err
			}
			before, err := check.Load(cmd.Context(), a.loader(cfg), args[0], args[1])
			if err != nil {
				return err
			}
			now, err := check.Load(cmd.Context(), a.loader(cfg), args[1], args[0])
			if err != nil {
				return err
			}
			var findings []finding
			broken := false
			for _, c := range check.Diff(renames, before, now) {
				broken = broken || c.Breaks()
				findings = append(findings, finding{
					File: c.Pos.File, Line: c.Pos.Line, Col: c.Pos.Col, Rule: c.Kind, Path: c.Path, Message: c.Text(),
				})
			}
			if err := a.report(findings); broken || !errors.Is(err, errReported) {
				return err
			}
			return nil
		},
	}
	addRenamesFlag(cmd, &mapFlags)
	return cmd
}
