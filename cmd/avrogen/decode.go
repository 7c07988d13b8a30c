package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/avrobin"
	"github.com/avroline/avroline/serde/ocf"
)

// decoder is one run of decode.
type decoder struct {
	*app
	registry string
	schemas  []string
	typeName string
	framed   bool
	rules    rulesFlags
	topic    string // of the message, for rules that need the subject
	key      bool
	form     form
	json     jsonForm
	lines    bool
	indent   bool

	readerSchemas []string       // how to read a container file
	reader        *serde.Generic // of --schema, or nil
	isBytes       bool           // the schema of --schema is of type bytes
	plans         map[string]*avrobin.Plan
	source        *serde.GenericDeserializer // of the registry, or nil
}

func newDecodeCommand(a *app) *cobra.Command {
	d := &decoder{app: a, form: formAuto}
	cmd := &cobra.Command{
		Use: "decode (--registry URL | --schema PATH | both) [FILE]\n" +
			"  avrogen decode [--reader-schema PATH] FILE.avro",
		Short: "Print an Avro message or a container file as JSON",
		Long: `Print an Avro message in Avro's JSON encoding. Unions have the name of their
branch. Bytes are characters up to U+00FF. Logical types are printed as their
base type.

FILE or standard input contains the message as raw bytes, hex or base64. By
default avrogen guesses the form. If several forms are possible, hex comes
first, then base64.

With --registry, the message is framed: it begins with the id or the GUID of a
schema in the registry. With --schema, the message is a bare record. With
--schema and --framed, the message begins with an id, and the id is ignored.
With --registry and --schema, the registry has the writer's schema, and the
message is printed as a reader with the schema of --schema sees it.

With --json plain, a union has no branch name if the branch is clear without it.
Dates, times and decimals are text, and bytes are base64. encode reads this form
with the same flag.

An object container file contains its schema and needs no flag. Each value is
printed on one line. With --reader-schema, values are printed as a reader with
this schema sees them.

` + rulesHelp + `
An encryption rule needs the subject: give --topic, and --key for a key.

` + registryHelp,
		Example: `  avrogen decode --registry http://localhost:8081 message.bin
  echo 000000000a02610e | avrogen decode --schema order.avsc --framed
  kcat -C -t orders -f '%s' -o -1 -e |
    avrogen decode --registry http://localhost:8081
  avrogen decode clicks.avro | head`,
		Args: usageArgs(cobra.MaximumNArgs(1), "one FILE, or none for standard input"),
		RunE: func(cmd *cobra.Command, args []string) error { return d.run(cmd.Context(), args) },
	}
	flags := cmd.Flags()
	a.addRegistryFlag(cmd, &d.registry)
	flags.StringArrayVar(&d.schemas, "schema", nil, "schema `FILE`; repeat the flag for files that it refers to")
	flags.StringVar(&d.typeName, "type", "", "full `NAME` of the type, if the schemas have several types")
	flags.StringArrayVar(&d.readerSchemas, "reader-schema", nil, "for a container file: schema `FILE` of the reader")
	d.rules.add(cmd)
	flags.StringVar(&d.topic, "topic", "", "`TOPIC` of the message, which names the subject of the rules")
	flags.BoolVar(&d.key, "key", false, "with --topic: the message is a key")
	flags.BoolVar(&d.framed, "framed", false, "with --schema alone: the message begins with an id, which is ignored")
	flags.Var(&d.form, "input", "FORM of the input: auto, raw, hex or base64")
	flags.Var(&d.json, "json", jsonFlagHelp)
	flags.BoolVar(&d.lines, "lines", false, "each line is a message")
	flags.BoolVar(&d.indent, "indent", false, "print each value on several lines, indented")
	return cmd
}

func (d *decoder) run(ctx context.Context, args []string) error {
	if d.lines && d.form == formRaw {
		return usagef("--lines and --input raw: raw bytes may hold line ends; use hex or base64")
	}
	name, src, closeInput, err := d.openInput(args)
	if err != nil {
		return err
	}
	defer closeInput()
	if isContainer(src) {
		return d.container(ctx, name, src)
	}
	if len(d.readerSchemas) > 0 {
		return usagef("--reader-schema is for object container files: for messages give --registry and --schema")
	}
	closeAll, err := d.open(name)
	if err != nil {
		return err
	}
	defer closeAll()
	text, err := io.ReadAll(src)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	var out []byte
	for i, m := range messages(text, d.lines) {
		where := name
		if d.lines {
			where = fmt.Sprintf("%s: message %d", name, i+1)
		}
		if out, err = d.message(ctx, out, m); err != nil {
			printErr := d.writeContent(out)
			if errors.Is(err, serde.ErrRegistry) {
				return errors.Join(err, printErr)
			}
			return errors.Join(d.badMessage(where, err), printErr)
		}
	}
	return d.writeContent(out)
}

// open opens the schemas and the registry that the flags name, for the messages
// in the input called name.
func (d *decoder) open(name string) (closeAll func(), err error) {
	cfg, err := d.loadConfig(nil)
	if err != nil {
		return nil, err
	}
	url, err := d.registryURL(d.registry, cfg)
	if err != nil {
		return nil, err
	}
	if len(d.schemas) > 0 {
		loader := d.loader(d.config)
		loader.Stored = d.registry == "" // the messages have this schema
		text, err := schemaText(loader, d.schemas, d.typeName)
		if err != nil {
			return nil, err
		}
		if d.reader, err = serde.NewGeneric(text); err != nil {
			return nil, err
		}
		if schema, err := avsc.ParseStored("", []byte(text)); err == nil {
			d.isBytes = schema.Kind == avsc.Bytes
		}
		// With --schema, a registry that only the environment or avrogen.yaml
		// names is ignored.
		if url = d.registry; url == "" {
			return func() {}, nil
		}
	}
	switch {
	case url == "":
		return nil, usagef("%s is not a container file, and the schema of its messages is unknown: give --registry or --schema", name)
	case d.framed:
		return nil, usagef("--framed is for --schema without --registry: with a registry every message is framed")
	}
	client, err := d.openRegistry(url, cfg)
	if err != nil {
		return nil, err
	}
	d.plans = map[string]*avrobin.Plan{}
	rules, closeKeys, err := d.rules.options(client)
	if err != nil {
		return nil, err
	}
	d.source, err = serde.NewGenericDeserializer(client, rules)
	return func() { closeKeys(); _ = client.Close() }, err
}

// input returns a message with the topic of --topic.
func (d *decoder) input(data []byte) serde.Input {
	in := serde.Input{Topic: d.topic, Data: data}
	if d.key {
		in.Part = serde.Key
	}
	return in
}

// message appends one message as a line of JSON. If the form of a readable text
// was guessed, an error names the guess.
func (d *decoder) message(ctx context.Context, out, text []byte) ([]byte, error) {
	data, in, err := d.form.read(text)
	if err != nil {
		return out, err
	}
	out, err = d.decode(ctx, out, data)
	unreadable := func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) && !unicode.IsSpace(r) }
	if err != nil && d.form == formAuto && in != formHex && bytes.IndexFunc(text, unreadable) < 0 {
		err = fmt.Errorf("%w; the input is not hex, so it was read as %s: --input names another form", err, in)
	}
	return out, err
}

// decode appends one message, without its form.
func (d *decoder) decode(ctx context.Context, out, data []byte) (_ []byte, err error) {
	if bytes.HasPrefix(data, []byte(ocf.Magic)) {
		return out, errors.New("this is an object container file in hex or base64: give avrogen decode the file itself")
	}
	start := len(out)
	switch {
	case d.source == nil:
		if d.framed {
			if data, err = skipFrame(data); err != nil {
				return out, err
			}
			if d.isBytes {
				data = avrobin.AppendBytes(nil, data) // a framed message has no length
			}
		}
		out, err = d.json.append(d.reader, out, data)
	case d.reader == nil && d.json == jsonPlain:
		out, err = d.source.AppendPlainJSON(ctx, out, d.input(data))
	case d.reader == nil:
		out, err = d.source.AppendJSON(ctx, out, d.input(data))
	default:
		out, err = d.resolved(ctx, out, data)
	}
	if err != nil {
		return out[:start], err
	}
	return d.finishLine(out, start)
}

// finishLine formats the JSON after start according to the flags.
func (d *decoder) finishLine(out []byte, start int) ([]byte, error) {
	if d.indent {
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, out[start:], "", "  "); err != nil {
			return out[:start], err
		}
		out = append(out[:start], pretty.Bytes()...)
	}
	return append(out, '\n'), nil
}

// resolved shows a message in the form of the reader schema of --schema.
func (d *decoder) resolved(ctx context.Context, out, data []byte) ([]byte, error) {
	writer, data, err := d.source.Open(ctx, d.input(data))
	if err != nil {
		return out, err
	}
	p := d.plans[writer.Schema()]
	if p == nil {
		if p, err = serde.Resolve(writer.Schema(), d.reader.Schema()); err != nil {
			return out, err
		}
		d.plans[writer.Schema()] = p
	}
	data, err = p.Append(nil, data)
	if err != nil {
		return out, err
	}
	return d.json.append(d.reader, out, data)
}

// skipFrame drops the Confluent prefix. The prefix is 00 and an id, or 01 and a
// GUID.
func skipFrame(data []byte) ([]byte, error) {
	switch {
	case len(data) >= 5 && data[0] == 0:
		return data[5:], nil
	case len(data) >= 17 && data[0] == 1:
		return data[17:], nil
	}
	return nil, serde.ErrNotFramed
}
