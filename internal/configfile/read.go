package configfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// maxFile limits the size of a file.
const maxFile = 1 << 20

// ReadSmall reads a regular file of at most 1 MiB, such as settings, a
// certificate or a secret.
func ReadSmall(path string) ([]byte, error) {
	if path == "" {
		return nil, errors.New("is empty: the name of a file is wanted (is an environment variable unset?)")
	}
	if strings.Contains(path, "-----BEGIN") || strings.ContainsAny(path, "\r\n\x00") {
		return nil, errors.New("must be the name of a file, and looks like the content of one")
	}
	info, err := os.Stat(path) // before Open, because Open would wait for the writer of a FIFO
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("%s: larger than %d bytes", path, maxFile)
	}
	return b, err
}

// ReadSecret returns the setting and the secret if key is of the form KEY.file.
// The secret is the content of the file that value names. Otherwise ReadSecret
// returns key and value.
func ReadSecret(key, value string) (name, secret string, err error) {
	name, ok := secretFile(key)
	if !ok {
		return key, value, nil
	}
	b, err := ReadSmall(value)
	return name, trimNewline(b), err
}

// trimNewline returns the content of a file with a single secret.
func trimNewline(b []byte) string {
	return strings.TrimRight(strings.TrimPrefix(string(b), "\ufeff"), "\r\n")
}

// Read reads a file as YAML if its name ends in .yaml, .yml or .json, and as
// properties otherwise.
func Read(path string) (File, error) {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".yaml", ".yml", ".json":
		return ReadYAML(path)
	}
	return ReadProperties(path)
}

// ReadProperties reads the format of java.util.Properties, with comments after
// # and !, the separators =, : and white space, continued lines, and escapes.
func ReadProperties(path string) (File, error) { return read(path, parseProperties) }

// ReadYAML reads YAML or JSON. ReadYAML joins the keys of nested mappings with
// dots, and the members of a list with commas.
func ReadYAML(path string) (File, error) { return read(path, parseYAML) }

func read(path string, parse func(name, text string) ([]document, error)) (File, error) {
	b, err := ReadSmall(path)
	if err != nil {
		return File{}, &Error{"configuration file", err.Error()}
	}
	text, err := decode(b)
	if err != nil {
		return File{}, &Error{filepath.Base(path), err.Error()}
	}
	documents, err := parse(filepath.Base(path), text)
	if err != nil {
		return File{}, err
	}
	return assemble(documents, os.LookupEnv)
}

// decode returns the text of a file in UTF-8, with or without a byte order
// mark, or in Latin-1. Java properties were Latin-1 for a long time.
func decode(b []byte) (string, error) {
	b = bytes.TrimPrefix(b, []byte("\ufeff"))
	switch {
	case bytes.HasPrefix(b, []byte{0xff, 0xfe}), bytes.HasPrefix(b, []byte{0xfe, 0xff}):
		return "", errors.New("is UTF-16: save it as UTF-8")
	case bytes.IndexByte(b, 0) >= 0:
		return "", errors.New("is not a text file: it has a NUL byte")
	case utf8.Valid(b):
		return string(b), nil
	}
	var text strings.Builder
	for _, c := range b {
		text.WriteRune(rune(c))
	}
	return text.String(), nil
}

// document is a file, or a part of a Spring Boot file.
type document []line

// line is a key and its value, as written in the file.
type line struct {
	key, value, origin string
	wrong              string // the reason why the value cannot be a setting, or ""
}
