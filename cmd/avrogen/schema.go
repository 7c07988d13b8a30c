package main

import (
	"context"
	"crypto/md5" //nolint:gosec // a fingerprint that the specification names
	"crypto/sha256"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/avscfmt"
)

// schemaPrinter is one run of schema.
type schemaPrinter struct {
	*app
	typeName    string
	output      string
	compact     bool
	canonical   bool
	fingerprint fingerprint
}

func newSchemaCommand(a *app) *cobra.Command {
	p := &schemaPrinter{app: a}
	cmd := &cobra.Command{
		Use:   "schema [--type NAME] [--compact | --canonical | --fingerprint] PATH...\n  avrogen schema -o DIR PATH...",
		Short: "Print a schema with all its types",
		Long: `Print one schema from a schema file, a protocol or IDL. The output contains the
definitions of all types that the schema refers to. If PATH has several types,
--type chooses one.

--canonical prints the parsing canonical form. --fingerprint prints the
CRC-64-AVRO of this form as a hexadecimal number. --fingerprint=md5 and
--fingerprint=sha256 print other fingerprints.

With -o, each declared type is written to a file with the full name of the type.
So IDL and protocols become .avsc files.`,
		Example: `  avrogen schema order.avsc
  avrogen schema --type shop.Order schemas/...
  avrogen schema --fingerprint order.avsc
  avrogen schema -o schemas events.avdl`,
		Args: usageArgs(cobra.MinimumNArgs(1), "a PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := a.loadConfig(args); err != nil {
				return err
			}
			return p.run(cmd.Context(), args)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&p.typeName, "type", "", "full `NAME` of the type, if PATH has several types")
	flags.StringVarP(&p.output, "output", "o", "", "write each type to a file in folder `DIR`")
	flags.BoolVar(&p.compact, "compact", false, "print the schema on one line")
	flags.BoolVar(&p.canonical, "canonical", false, "print the parsing canonical form")
	flags.Var(&p.fingerprint, "fingerprint", "print a fingerprint: rabin, md5 or sha256")
	flags.Lookup("fingerprint").NoOptDefVal = "rabin"
	return cmd
}

func (p *schemaPrinter) run(ctx context.Context, paths []string) error {
	forms := 0
	for _, asked := range []bool{p.compact, p.canonical, p.fingerprint != ""} {
		if asked {
			forms++
		}
	}
	if forms > 1 {
		return usagef("--compact, --canonical and --fingerprint: choose one")
	}
	if name := fingerprint(paths[0]); p.fingerprint != "" && len(paths) > 1 && name.Set(paths[0]) == nil {
		return usagef("--fingerprint %s: write --fingerprint=%s", name, name)
	}
	if p.output != "" {
		return p.writeAll(ctx, paths)
	}
	s, err := oneSchema(p.loader(p.config), paths, p.typeName)
	if err != nil {
		return err
	}
	text, err := p.text(s)
	if err != nil {
		return err
	}
	return p.writeContent(text)
}

// text returns the text of a schema that the flags ask for.
func (p *schemaPrinter) text(s *avsc.Schema) ([]byte, error) {
	switch {
	case p.canonical:
		return []byte(s.Canonical() + "\n"), nil
	case p.fingerprint != "":
		return []byte(p.fingerprint.of(s) + "\n"), nil
	case p.compact:
		return []byte(s.Text() + "\n"), nil
	}
	return avscfmt.Format("schema", []byte(s.Text()))
}

// writeAll writes every declared type of the files.
func (p *schemaPrinter) writeAll(ctx context.Context, paths []string) error {
	if p.typeName != "" {
		return usagef("-o writes all types: do not give --type")
	}
	set, err := p.loader(p.config).Load(paths...)
	if err != nil {
		return err
	}
	var files []output
	written := map[*avsc.Schema]bool{}
	for _, f := range set.Files {
		for _, s := range f.Schemas {
			if !s.Kind.Named() || written[s] {
				continue
			}
			written[s] = true
			text, err := p.text(s)
			if err != nil {
				return err
			}
			files = append(files, output{filepath.Join(p.output, fileName(s.Name, "")), text})
		}
	}
	if len(files) == 0 {
		return usagef("the files declare no named type")
	}
	return p.staging.write(ctx, files, nil)
}

// fingerprint is the hash algorithm for the canonical form of a schema. It is
// "" if no fingerprint is printed.
type fingerprint string

func (f *fingerprint) String() string { return string(*f) }
func (f *fingerprint) Type() string   { return "rabin|md5|sha256" }

func (f *fingerprint) Set(s string) error {
	switch s {
	case "rabin", "md5", "sha256":
		*f = fingerprint(s)
		return nil
	}
	return fmt.Errorf("%q is none of rabin, md5, sha256", s)
}

func (f fingerprint) of(s *avsc.Schema) string {
	switch f {
	case "md5":
		return fmt.Sprintf("%x", md5.Sum([]byte(s.Canonical()))) //nolint:gosec // the specification uses MD5
	case "sha256":
		return fmt.Sprintf("%x", sha256.Sum256([]byte(s.Canonical())))
	}
	return fmt.Sprintf("%016x", s.Fingerprint())
}
