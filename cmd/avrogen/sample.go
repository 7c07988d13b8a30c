package main

import (
	"context"
	"math/rand/v2"

	"github.com/spf13/cobra"

	"github.com/avroline/avroline/internal/avrosample"
	"github.com/avroline/avroline/serde"
)

// sampler is one run of sample.
type sampler struct {
	*app
	typeName string
	count    int
	seed     uint64
	form     sampleForm
}

func newSampleCommand(a *app) *cobra.Command {
	s := &sampler{app: a, count: 1, form: "json"}
	cmd := &cobra.Command{
		Use:   "sample [-n COUNT] [--seed N] [--type NAME] [--output FORM] PATH...",
		Short: "Make values of a schema that look like real values",
		Long: `Make values of a schema that look like real values. The values respect logical
types. The name of a field determines the kind of text or number, for example an
email address, a city or a count. Docs do the same, for example "e.g. EUR" or
"between 1 and 5". Each value is printed on a line, in Avro's JSON encoding or
as a bare message in hex or base64. The same seed gives the same values.`,
		Example: `  avrogen sample order.avsc
  avrogen sample -n 100 --seed 7 --type shop.Order schemas/...
  avrogen sample -n 5 order.avsc | avrogen encode --lines --schema order.avsc`,
		Args: usageArgs(cobra.MinimumNArgs(1), "a PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := a.loadConfig(args); err != nil {
				return err
			}
			return s.run(cmd.Context(), args)
		},
	}
	flags := cmd.Flags()
	flags.IntVarP(&s.count, "count", "n", 1, "number of values")
	flags.Uint64Var(&s.seed, "seed", 1, "seed of the random numbers")
	flags.StringVar(&s.typeName, "type", "", "full `NAME` of the type, if PATH has several types")
	flags.Var(&s.form, "output", "json, hex or base64")
	return cmd
}

func (s *sampler) run(ctx context.Context, paths []string) error {
	if s.count < 0 {
		return usagef("-n %d: give how many values to make", s.count)
	}
	schema, err := oneSchema(s.loader(s.config), paths, s.typeName)
	if err != nil {
		return err
	}
	g, err := serde.NewGeneric(schema.Text())
	if err != nil {
		return err
	}
	r := rand.New(rand.NewPCG(s.seed, 0)) //nolint:gosec // the same seed must give the same values
	var out []byte
	for range s.count {
		if err := ctx.Err(); err != nil {
			return err
		}
		data, err := avrosample.Append(nil, r, schema)
		if err != nil {
			return usagef("no sample: %v", err)
		}
		if s.form != "json" {
			out = form(s.form).write(out, data)
		} else if out, err = g.AppendJSON(out, data); err != nil {
			return err
		} else {
			out = append(out, '\n')
		}
		if len(out) > 1<<20 {
			if err := s.writeContent(out); err != nil {
				return err
			}
			out = out[:0]
		}
	}
	return s.writeContent(out)
}

// sampleForm is the output form of a sample.
type sampleForm string

func (f *sampleForm) String() string { return string(*f) }
func (f *sampleForm) Type() string   { return "FORM" }

func (f *sampleForm) Set(s string) error {
	switch s {
	case "json", "hex", "base64":
		*f = sampleForm(s)
		return nil
	}
	return usagef("%q is none of json, hex, base64", s)
}
