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
		Args:  usageArgs(cobra.NoArgs, "none"),
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(a.stdout, "avrogen", version())
			return err
		},
	}
}

// version returns the version of the module in the build information. It is the
// version of a release, the revision of a checkout, or "(devel)".
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(devel)"
	}
	// If a tool line runs avrogen, this module is a dependency of the main
	// module.
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
