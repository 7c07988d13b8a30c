package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/avscfile"
)

// form is the text form of message bytes in a file or a terminal.
type form string

const (
	formAuto   form = "auto"
	formRaw    form = "raw"
	formHex    form = "hex"
	formBase64 form = "base64"
)

func (f *form) String() string { return string(*f) }
func (f *form) Type() string   { return "FORM" }

func (f *form) Set(s string) error {
	switch form(s) {
	case formAuto, formRaw, formHex, formBase64:
		*f = form(s)
		return nil
	}
	return fmt.Errorf("%q is none of auto, raw, hex, base64", s)
}

// read converts text into the bytes of a message, and returns the form of the
// text. For formAuto, hex comes first, then base64.
func (f form) read(text []byte) ([]byte, form, error) {
	switch f {
	case formRaw:
		return text, formRaw, nil
	case formHex:
		data, err := fromHex(text)
		if err != nil {
			return nil, formHex, fmt.Errorf("the input is not hex: %w", err)
		}
		return data, formHex, nil
	case formBase64:
		data, err := fromBase64(text)
		if err != nil {
			return nil, formBase64, fmt.Errorf("the input is not base64: %w", err)
		}
		return data, formBase64, nil
	default: // formAuto
		if data, err := fromHex(text); err == nil {
			return data, formHex, nil
		}
		if data, err := fromBase64(text); err == nil {
			return data, formBase64, nil
		}
		return text, formRaw, nil
	}
}

// write appends the bytes of a message as text. A line end follows, except for
// the form raw.
func (f form) write(dst, data []byte) []byte {
	switch f {
	case formRaw:
		return append(dst, data...)
	case formBase64:
		return append(base64.StdEncoding.AppendEncode(dst, data), '\n')
	default: // formHex
		return append(hex.AppendEncode(dst, data), '\n')
	}
}

// fromHex accepts digits with spaces and line ends between digits, and with 0x
// in front.
func fromHex(text []byte) ([]byte, error) {
	digits := withoutSpace(text)
	digits = bytes.TrimPrefix(digits, []byte("0x"))
	return hex.AppendDecode(nil, digits)
}

// fromBase64 accepts both alphabets, with or without padding.
func fromBase64(text []byte) ([]byte, error) {
	digits := strings.NewReplacer("-", "+", "_", "/").Replace(string(withoutSpace(text)))
	return base64.RawStdEncoding.DecodeString(strings.TrimRight(digits, "="))
}

func withoutSpace(text []byte) []byte {
	return bytes.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, text)
}

// input reads the only file of the arguments. Without an argument, and for "-",
// input reads standard input. The result name is for messages.
func (a *app) input(args []string) (name string, text []byte, err error) {
	if len(args) == 0 || args[0] == "-" {
		text, err = io.ReadAll(a.stdin)
		if err != nil {
			return "", nil, fmt.Errorf("standard input: %w", err)
		}
		return "standard input", text, nil
	}
	text, err = os.ReadFile(args[0])
	return args[0], text, err
}

// messages splits text into messages. If lines is false, the whole text is one
// message. Otherwise each line that is not empty is one message.
func messages(text []byte, lines bool) [][]byte {
	if !lines {
		return [][]byte{text}
	}
	var out [][]byte
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			out = append(out, line)
		}
	}
	return out
}

// schemaText returns the self-contained text of the schema from oneSchema.
func (a *app) schemaText(paths []string, typeName string) (string, error) {
	return schemaText(a.loader(a.config), paths, typeName)
}

func schemaText(loader avscfile.Loader, paths []string, typeName string) (string, error) {
	s, err := oneSchema(loader, paths, typeName)
	if err != nil {
		return "", err
	}
	return s.Text(), nil
}

// oneSchema is one schema of the files at paths. With a typeName, the result is
// this type. Otherwise it is the only schema of the first path. The first path
// is a file or a folder.
func oneSchema(loader avscfile.Loader, paths []string, typeName string) (*avsc.Schema, error) {
	set, err := loader.Load(paths...)
	if err != nil {
		return nil, err
	}
	if typeName != "" {
		if s := set.Type(typeName); s != nil {
			return s, nil
		}
		return nil, usagef("--type %s: the schemas have no such type", typeName)
	}
	files := set.Files[:1]
	if info, err := os.Stat(paths[0]); err != nil || info.IsDir() { // "folder/..." is not a file
		files = set.Files
	}
	var schemas []*avsc.Schema
	for _, f := range files {
		if f.Root != nil && !slices.Contains(f.Schemas, f.Root) && len(f.JSON.Elems) == 0 {
			schemas = append(schemas, f.Root) // the main schema of IDL
			continue
		}
		schemas = append(schemas, f.Schemas...)
	}
	if len(schemas) != 1 {
		return nil, usagef("%s has %d schemas: choose one with --type", paths[0], len(schemas))
	}
	return schemas[0], nil
}

// badMessage reports an invalid message on stderr, with status 1.
func (a *app) badMessage(name string, err error) error {
	var m *avsc.Error
	if errors.As(err, &m) { // a JSON error has a place
		at := *m
		at.Pos.File = name
		err = &at
		a.complain("%v\n", err)
		return errReported
	}
	a.complain("%s: %s\n", name, strings.TrimPrefix(err.Error(), "serde: "))
	return errReported
}
