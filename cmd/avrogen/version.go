package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func newVersionCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of avrogen",
		Args:  usageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(a.stdout, "avrogen", version())
			return err
		},
	}
}

// version is the module's version as the Go tool built it in: a release's, or
// the revision of a checkout, or "(devel)".
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(devel)"
	}
	// Run through a tool line the module is a dependency of the main one.
	const module = "github.com/avroline/avroline"
	if info.Main.Path == module && info.Main.Version != "" {
		return info.Main.Version + " " + info.GoVersion
	}
	for _, dep := range info.Deps {
		if dep.Path == module {
			return dep.Version + " " + info.GoVersion
		}
	}
	return "(devel) " + info.GoVersion
}
