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
		Short: "Show the changes between two versions and their effects",
		Long: `Show the changes between two versions of schemas, and the effect of each change.
avrogen compares the meaning of the schemas, not their text. An effect concerns
readers of the old version, or data that was written with the old version.

OLD and NEW are files, folders or folder/.... One of them may be at a git
commit: git:REF:PATH, or git:REF for the path of the other side. Schemas with
the same full name or alias are compared. Two files with one schema each are
versions of one schema. If a file refers to a type that it does not define,
avrogen searches the folder of the file and the folders below. --map names a
namespace or a type that was renamed.

The exit status is 1 if a change breaks old readers or old data, otherwise 0.`,
		Example: `  avrogen diff order-v1.avsc order-v2.avsc
  avrogen diff git:origin/main schemas/...
  avrogen diff --map acme.v1=acme.v2 schemas/v1 schemas/v2`,
		Args: usageArgs(cobra.ExactArgs(2), "OLD and NEW"),
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
			matched := map[string]bool{}
			changes := check.Diff(check.Options{Renames: renames, Matched: matched}, before, now)
			if err := unmatched(mapFlags, matched); err != nil {
				return err
			}
			for _, c := range changes {
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
