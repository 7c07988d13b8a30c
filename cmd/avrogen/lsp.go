package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/avroline/avroline/internal/lsp"
	"github.com/avroline/avroline/registry/contract"
)

func newLSPCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "lsp",
		Short: "Run a language server for editors",
		Long: `Run a language server (LSP 3.17) on standard input and output, for .avsc, .avpr
and .avdl files. While you type, the server shows mistakes and lint findings. It
describes the type or field under the cursor, goes to the definition, and
formats .avsc and .avpr files like avrogen fmt.

The nearest avrogen.yaml lists the schemas that belong together, and the lint
rules that are switched off. If a file is not in this list, the server searches
missing types in the file's folder and in the folders below.`,
		Example: `  Neovim:  vim.lsp.start({ name = "avrogen", cmd = { "avrogen", "lsp" } })
  Helix:   language-server.avrogen = { command = "avrogen", args = ["lsp"] }`,
		Args: usageArgs(cobra.NoArgs, "none, because the server reads standard input"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := lsp.Serve(cmd.Context(), a.stdin, a.stdout, lsp.Options{
				Version: version(), Settings: a.lspSettings, Log: a.stderr,
			})
			if errors.Is(err, lsp.ErrNoShutdown) {
				return errReported // the protocol requires status 1, and no error text
			}
			return err
		},
	}
}

// lspSettings reads the settings for a file. The avrogen.yaml is read each
// time, because it may change while the server runs.
func (a *app) lspSettings(file string) (lsp.Settings, error) {
	var s lsp.Settings
	name := a.configFile
	if name == "" {
		found, err := findAbove(filepath.Dir(filepath.FromSlash(file)), configName)
		if err != nil {
			return s, err
		}
		name = found
	}
	cfg := &config{}
	if name != "" {
		name, err := filepath.Abs(name)
		if err != nil {
			return s, err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return s, err
		}
		if err := cfg.parse(name, text); err != nil {
			return s, err
		}
		cfg.file, cfg.dir = name, filepath.Dir(name)
		schemas := cfg.Schemas
		if len(schemas) == 0 {
			schemas = []string{"..."}
		}
		for _, p := range schemas {
			s.Paths = append(s.Paths, lsp.FileName(cfg.path(p)))
		}
	}
	s.Loader = a.loader(cfg)
	baseline := ""
	if cfg.Lint.Baseline != "" {
		baseline = cfg.path(cfg.Lint.Baseline)
	}
	known, err := readBaseline(baseline)
	if err != nil {
		return s, err
	}
	except := slices.Clone(cfg.Lint.Except)
	s.Ignore = func(f contract.Finding) bool {
		return slices.Contains(except, f.Type) || known[baselineKey(f)]
	}
	return s, nil
}
