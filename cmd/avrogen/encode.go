package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/ocf"
)

// encoder is one run of encode.
type encoder struct {
	*app
	registry string
	schemas  []string
	typeName string
	id       int
	subject  string
	bare     bool
	rules    rulesFlags
	form     form
	json     jsonForm
	lines    bool
	toFile   bool   // write an object container file
	codec    string // the compression of the file

	writer *serde.Generic
}

// noID is the default of --id. It is no valid id, because ids begin at 0.
const noID = -1

func newEncodeCommand(a *app) *cobra.Command {
	e := &encoder{app: a, form: formHex}
	cmd := &cobra.Command{
		Use: "encode --schema PATH [FILE]\n" +
			"  avrogen encode --registry URL (--id N | --subject NAME) [FILE]\n" +
			"  avrogen encode --container --schema PATH [FILE] > FILE.avro",
		Short: "Convert JSON into an Avro message or a container file",
		Long: `Convert Avro's JSON encoding, from FILE or standard input, into an Avro message.
encode is the reverse of decode. A missing field gets the schema's default.

With --schema alone, the output is the bare record. With --registry, the output
begins with the schema's id. --id chooses the schema by id, and --subject
chooses the latest schema of a subject. With --registry and --schema, the
registry must have the same schema with this id or in this subject. encode
registers nothing.

With --json plain, the input has the form that decode --json plain prints. If a
value fits several branches of a union, encode refuses the value and prints its
path.

With --container, each line is a value, and the output is an object container
file, which contains the schema.

` + rulesHelp + `

` + registryHelp,
		Example: `  echo '{"id":"a","cents":7}' | avrogen encode --schema order.avsc
  avrogen encode --registry http://localhost:8081 --subject orders order.json
  avrogen encode --schema order.avsc --output raw order.json > order.bin
  avrogen encode --container --schema order.avsc orders.jsonl > orders.avro`,
		Args: usageArgs(cobra.MaximumNArgs(1), "one FILE, or none for standard input"),
		RunE: func(cmd *cobra.Command, args []string) error { return e.run(cmd.Context(), args) },
	}
	flags := cmd.Flags()
	a.addRegistryFlag(cmd, &e.registry)
	flags.StringArrayVar(&e.schemas, "schema", nil, "schema `FILE`; repeat the flag for files that it refers to")
	flags.StringVar(&e.typeName, "type", "", "full `NAME` of the type, if the schemas have several types")
	flags.IntVar(&e.id, "id", noID, "id `N` of the schema in the registry")
	flags.StringVar(&e.subject, "subject", "", "`NAME` of the schema's subject in the registry")
	e.rules.add(cmd)
	flags.BoolVar(&e.bare, "bare", false, "write the record without its schema's id")
	flags.Var(&e.form, "output", "FORM of the output: hex, base64 or raw")
	flags.Var(&e.json, "json", jsonFlagHelp)
	flags.BoolVar(&e.toFile, "container", false, "write an object container file, with a value for each line")
	flags.StringVar(&e.codec, "codec", string(ocf.Deflate), "with --container, the `CODEC`: null, deflate, snappy or zstandard")
	flags.BoolVar(&e.lines, "lines", false, "each line is a message")
	return cmd
}

func (e *encoder) run(ctx context.Context, args []string) error {
	if e.toFile {
		return e.container(ctx, args)
	}
	if e.form == formAuto {
		return usagef("--output auto: choose hex, base64 or raw")
	}
	if e.lines && e.form == formRaw {
		return usagef("--lines and --output raw: raw messages have no separator: use hex or base64")
	}
	write, closeAll, err := e.open(ctx)
	if err != nil {
		return err
	}
	defer closeAll()
	name, text, err := e.input(args)
	if err != nil {
		return err
	}
	var out []byte
	for i, m := range messages(text, e.lines) {
		data, err := e.json.read(e.writer, nil, m)
		if err != nil {
			where := name
			if e.lines {
				where = fmt.Sprintf("%s: message %d", name, i+1)
			}
			_, printErr := e.stdout.Write(out)
			return errors.Join(e.badMessage(where, err), printErr)
		}
		if data, err = write(data); err != nil {
			return err
		}
		out = e.form.write(out, data)
	}
	_, err = e.stdout.Write(out)
	return err
}

// open finds the schema, and returns a function that writes messages of the
// schema.
func (e *encoder) open(ctx context.Context) (write func([]byte) ([]byte, error), closeAll func(), err error) {
	nothing := func() {}
	if len(e.schemas) > 0 {
		text, err := e.schemaText(e.schemas, e.typeName)
		if err != nil {
			return nil, nothing, err
		}
		if e.writer, err = serde.NewGeneric(text); err != nil {
			return nil, nothing, err
		}
	}
	asked := e.id != noID || e.subject != ""
	switch {
	case e.id != noID && e.subject != "":
		return nil, nothing, usagef("both --id and --subject are given: use one of them")
	case e.writer == nil && !asked:
		return nil, nothing, usagef("no schema: give --schema, or --registry with --id or --subject")
	case !asked && e.registry != "":
		return nil, nothing, usagef("--registry needs --id or --subject")
	case !asked:
		return func(data []byte) ([]byte, error) { return data, nil }, nothing, nil
	}
	cfg, err := e.loadConfig(nil)
	if err != nil {
		return nil, nothing, err
	}
	url, err := e.registryURL(e.registry, cfg)
	if err != nil {
		return nil, nothing, err
	}
	if url == "" {
		return nil, nothing, usagef("--id and --subject need --registry")
	}
	client, err := e.openRegistry(url, cfg)
	if err != nil {
		return nil, nothing, err
	}
	rules, closeKeys, err := e.rules.options(client)
	if err != nil {
		_ = client.Close()
		return nil, nothing, err
	}
	closeAll = func() { closeKeys(); _ = client.Close() }
	if write, err = e.framer(ctx, client, rules); err != nil {
		closeAll()
		return nil, nothing, err
	}
	return write, closeAll, nil
}

// framer returns the function that frames messages of the schema for the
// registry.
func (e *encoder) framer(ctx context.Context, reg serde.Registry, rules serde.Option) (func([]byte) ([]byte, error), error) {
	opt := serde.UseID(e.id)
	if e.id == noID {
		opt = serde.UseLatest()
	}
	if e.writer == nil {
		text, err := e.registered(ctx, reg)
		if err != nil {
			return nil, err
		}
		if e.writer, err = serde.NewGeneric(text); err != nil {
			return nil, err
		}
	} else if e.id == noID {
		opt = serde.LookupOnly()
	}
	if e.bare {
		return func(data []byte) ([]byte, error) { return data, nil }, nil
	}
	ser, err := serde.NewSerializer(reg, rules)
	if err != nil {
		return nil, err
	}
	subject := func(string, serde.Part, string) (string, error) { return e.subject, nil }
	b := ser.For("", serde.Value, serde.WithSubject(subject), opt)
	return func(data []byte) ([]byte, error) {
		return b.Append(ctx, nil, encoded{e.writer, data})
	}, nil
}

// registered returns the registered schema for the message.
func (e *encoder) registered(ctx context.Context, reg serde.Registry) (string, error) {
	if e.id != noID {
		v, err := reg.SchemaByID(ctx, "", e.id)
		return v.Schema, err
	}
	v, err := reg.Latest(ctx, e.subject)
	return v.Schema, err
}

// encoded is a record that is already encoded as Avro.
type encoded struct {
	of   *serde.Generic
	data []byte
}

func (r encoded) AvroName() string                      { return r.of.Name() }
func (r encoded) AvroSchema() string                    { return r.of.Schema() }
func (r encoded) AppendAvro(dst []byte) ([]byte, error) { return append(dst, r.data...), nil }
