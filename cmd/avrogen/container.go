package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/ocf"
)

// openInput opens the file of args, or standard input, for reading in parts.
func (a *app) openInput(args []string) (name string, src *bufio.Reader, closeInput func(), err error) {
	if len(args) == 0 || args[0] == "-" {
		return "standard input", bufio.NewReader(a.stdin), func() {}, nil
	}
	f, err := os.Open(args[0])
	if err != nil {
		return "", nil, nil, err
	}
	return args[0], bufio.NewReaderSize(f, 64<<10), func() { _ = f.Close() }, nil
}

// isContainer reports whether src begins like an object container file. The
// function does not consume any part of src.
func isContainer(src *bufio.Reader) bool {
	start, err := src.Peek(len(ocf.Magic))
	return err == nil && string(start) == ocf.Magic
}

// container prints every value of an object container file as a line of JSON.
// The file is read block by block, so a large file needs little memory.
func (d *decoder) container(ctx context.Context, name string, src io.Reader) error {
	if d.registry != "" || d.framed || d.lines {
		return usagef("%s is an object container file, which holds its own schema: --registry, --framed and --lines are for messages", name)
	}
	var opts []ocf.ReaderOption
	if schemas := append(d.readerSchemas, d.schemas...); len(schemas) > 0 {
		text, err := d.schemaText(schemas, d.typeName)
		if err != nil {
			return err
		}
		opts = append(opts, ocf.WithReaderSchema(text))
	}
	r, err := ocf.NewGenericReader(src, opts...)
	if err != nil {
		return d.badMessage(name, err)
	}
	generic, err := serde.NewGeneric(r.Schema())
	if err != nil {
		return d.badMessage(name, err)
	}
	const printAt = 256 << 10
	var out, data []byte
	for {
		if err := ctx.Err(); err != nil {
			return errors.Join(d.writeContent(out), err)
		}
		data, err = r.Append(data[:0])
		if errors.Is(err, io.EOF) {
			return d.writeContent(out)
		}
		start := len(out)
		if err == nil {
			out, err = d.json.append(generic, out, data)
		}
		if err == nil {
			out, err = d.finishLine(out, start)
		}
		if err != nil {
			printErr := d.writeContent(out[:start])
			return errors.Join(d.badMessage(name, err), printErr)
		}
		if len(out) >= printAt {
			if err := d.writeContent(out); err != nil {
				return err
			}
			out = out[:0]
		}
	}
}

// container writes JSON values, one on each line, into an object container
// file.
func (e *encoder) container(ctx context.Context, args []string) error {
	if file, ok := e.stdout.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		return usagef("--container writes binary data: redirect standard output into a file")
	}
	if e.registry != "" || e.id != noID || e.subject != "" || e.bare {
		return usagef("--container holds the schema itself: --registry, --id, --subject and --bare are for messages")
	}
	if len(e.schemas) == 0 {
		return usagef("--container needs --schema")
	}
	text, err := e.schemaText(e.schemas, e.typeName)
	if err != nil {
		return err
	}
	generic, err := serde.NewGeneric(text)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(e.stdout)
	w, err := ocf.NewGenericWriter(out, text, ocf.WithCodec(ocf.Codec(e.codec)))
	if err != nil {
		return usagef("--codec: %v: choose null, deflate, snappy or zstandard", err)
	}
	name, src, closeInput, err := e.openInput(args)
	if err != nil {
		return err
	}
	defer closeInput()
	var data []byte
	for number, more := 1, true; more; number++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		line, err := src.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("%s: %w", name, err)
		}
		more = err == nil
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if data, err = e.json.read(generic, data[:0], line); err == nil {
			err = w.Append(data)
		}
		if err != nil {
			var at *avsc.Error
			if errors.As(err, &at) { // the value is one line of the input
				there := *at
				there.Pos.Line = number
				return e.badMessage(name, &there)
			}
			return e.badMessage(fmt.Sprintf("%s:%d", name, number), err)
		}
	}
	if err := errors.Join(w.Close(), out.Flush()); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	return nil
}
