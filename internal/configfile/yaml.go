package configfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The limits of a YAML file. Without limits, aliases could make a small file
// large.
const (
	maxDepth = 16
	maxNodes = 10_000
)

// parseYAML reads every document of a YAML file.
func parseYAML(name, text string) ([]document, error) {
	var documents []document
	w := &walker{name: name}
	for decoder := yaml.NewDecoder(bytes.NewBufferString(text)); ; {
		var root yaml.Node
		switch err := decoder.Decode(&root); {
		case errors.Is(err, io.EOF):
			return documents, nil
		case err != nil:
			return nil, yamlError(name, err)
		}
		w.lines = nil
		if err := w.walk("", &root, 0); err != nil {
			return nil, err
		}
		documents = append(documents, w.lines)
	}
}

// yamlError removes the quotes of the file's text from YAML's error, because
// the text may be a secret.
func yamlError(name string, err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	text = regexp.MustCompile("'[^']*'|`[^`]*`|\"[^\"]*\"").ReplaceAllString(text, "…")
	if number, rest, ok := strings.Cut(strings.TrimPrefix(text, "line "), ": "); ok && strings.HasPrefix(text, "line ") {
		return &Error{name + ":" + number, "is not YAML: " + rest}
	}
	return &Error{name, "is not YAML: " + text}
}

// walker makes lines from a tree of YAML nodes.
type walker struct {
	name  string
	lines document
	nodes int
}

func (w *walker) walk(key string, n *yaml.Node, depth int) error {
	fail := func(reason string) error {
		return &Error{fmt.Sprintf("%s:%d: %s", w.name, n.Line, printable(key)), reason}
	}
	if w.nodes++; w.nodes > maxNodes || depth > maxDepth {
		return fail("the file is too large or nested too deep")
	}
	switch n.Kind {
	case yaml.DocumentNode:
		return w.walk("", n.Content[0], depth+1)
	case yaml.MappingNode:
		return w.mapping(key, n, depth)
	case yaml.SequenceNode:
		return w.sequence(key, n)
	case yaml.AliasNode:
		return w.walk(key, n.Alias, depth+1)
	case yaml.ScalarNode:
		if key == "" {
			if n.Tag == "!!null" { // an empty file
				return nil
			}
			return &Error{fmt.Sprintf("%s:%d", w.name, n.Line), "keys and values are wanted"}
		}
		w.add(key, scalar(n), n)
		return nil
	}
	return fail("is not a value")
}

func (w *walker) mapping(key string, n *yaml.Node, depth int) error {
	for i := 0; i+1 < len(n.Content); i += 2 {
		member := n.Content[i]
		if member.Tag == "!!merge" {
			if err := w.walk(key, n.Content[i+1], depth+1); err != nil {
				return err
			}
			continue
		}
		// Spring Boot writes keys with dots as "[a.b]".
		name := strings.TrimSuffix(strings.TrimPrefix(member.Value, "["), "]")
		if key != "" {
			name = key + "." + name
		}
		if err := w.walk(name, n.Content[i+1], depth+1); err != nil {
			return err
		}
	}
	return nil
}

// sequence joins a list of plain values. Kafka has no settings with any other
// kind of list. sequence keeps the key of such a list, so that a reader can
// refuse the key.
func (w *walker) sequence(key string, n *yaml.Node) error {
	var parts []string
	for _, e := range n.Content {
		if e.Kind == yaml.AliasNode {
			e = e.Alias
		}
		if e.Kind != yaml.ScalarNode {
			w.lines = append(w.lines, line{key: key, origin: w.origin(key, n), wrong: "a list may hold plain values only"})
			return nil
		}
		parts = append(parts, scalar(e))
	}
	w.add(key, strings.Join(parts, ","), n)
	return nil
}

func (w *walker) add(key, value string, n *yaml.Node) {
	w.lines = append(w.lines, line{key: key, value: strings.TrimSpace(value), origin: w.origin(key, n)})
}

func (w *walker) origin(key string, n *yaml.Node) string {
	return fmt.Sprintf("%s:%d: %s", w.name, n.Line, printable(key))
}

// scalar returns the text of a plain value. Null is "".
func scalar(n *yaml.Node) string {
	if n.Tag == "!!null" {
		return ""
	}
	return n.Value
}
