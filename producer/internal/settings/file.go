package settings

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxConfigFile bounds what is read of a configuration file, a certificate or a secret.
const maxConfigFile = 1 << 20

func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxConfigFile+1))
	if err == nil && len(b) > maxConfigFile {
		err = fmt.Errorf("%s: larger than %d bytes", path, maxConfigFile)
	}
	return b, err
}

func (c *Config) loadFile(path string, parse func(name string, text []byte) ([]configLine, error)) error {
	text, err := readSmall(path)
	if err != nil {
		return &ConfigError{"configuration file", "", err.Error()}
	}
	entries, err := parse(filepath.Base(path), text)
	return errors.Join(err, c.load(entries, false))
}

// parseProperties reads what java.util.Properties.load reads: comments with # and !, separators =, : and white space,
// continued lines, escapes.
func parseProperties(name string, text []byte) ([]configLine, error) {
	var entries []configLine
	lines := strings.Split(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		first := i + 1
		line := strings.TrimLeft(lines[i], " \t\f")
		if line == "" || line[0] == '#' || line[0] == '!' {
			continue
		}
		for continued(line) && i+1 < len(lines) {
			i++
			line = line[:len(line)-1] + strings.TrimLeft(lines[i], " \t\f")
		}
		key, value := splitProperty(line)
		where := fmt.Sprintf("%s:%d: %s", name, first, key)
		k, err := unescapeProperty(key)
		v, err2 := unescapeProperty(value)
		if err := errors.Join(err, err2); err != nil {
			return nil, &ConfigError{where, "", err.Error()}
		}
		entries = append(entries, configLine{k, v, where})
	}
	return entries, nil
}

// continued: an odd number of backslashes at the end.
func continued(line string) bool {
	return (len(line)-len(strings.TrimRight(line, `\`)))%2 == 1
}

func splitProperty(line string) (key, value string) {
	i := 0
	for i < len(line) && !strings.ContainsRune("=: \t\f", rune(line[i])) {
		if line[i] == '\\' {
			i++
		}
		i++
	}
	i = min(i, len(line))
	key, value = line[:i], strings.TrimLeft(line[i:], " \t\f")
	if value != "" && (value[0] == '=' || value[0] == ':') {
		value = strings.TrimLeft(value[1:], " \t\f")
	}
	return key, value
}

func unescapeProperty(s string) (string, error) {
	if !strings.Contains(s, `\`) {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch s[i] {
		case 't':
			b.WriteByte('\t')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 'f':
			b.WriteByte('\f')
		case 'u':
			if i+5 > len(s) {
				return "", errors.New(`\u wants four hexadecimal digits`)
			}
			n, err := strconv.ParseUint(s[i+1:i+5], 16, 16)
			if err != nil {
				return "", errors.New(`\u wants four hexadecimal digits`)
			}
			b.WriteRune(rune(n))
			i += 4
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), nil
}

// parseYAML flattens nested mappings: their keys are joined by dots, lists of scalars by commas.
func parseYAML(name string, text []byte) ([]configLine, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, &ConfigError{name, "", err.Error()}
	}
	var entries []configLine
	var walk func(prefix string, n *yaml.Node, depth int) error
	walk = func(prefix string, n *yaml.Node, depth int) error {
		where := fmt.Sprintf("%s:%d: %s", name, n.Line, prefix)
		if depth > 16 {
			return &ConfigError{where, "", "nested too deep"}
		}
		switch n.Kind {
		case yaml.DocumentNode:
			return walk("", n.Content[0], depth+1)
		case yaml.MappingNode:
			for i := 0; i+1 < len(n.Content); i += 2 {
				key := n.Content[i].Value
				if prefix != "" {
					key = prefix + "." + key
				}
				if err := walk(key, n.Content[i+1], depth+1); err != nil {
					return err
				}
			}
			return nil
		case yaml.SequenceNode:
			var parts []string
			for _, e := range n.Content {
				if e.Kind != yaml.ScalarNode {
					return &ConfigError{where, "", "a list may hold plain values only"}
				}
				parts = append(parts, e.Value)
			}
			entries = append(entries, configLine{prefix, strings.Join(parts, ","), where})
			return nil
		case yaml.ScalarNode:
			if prefix == "" {
				return &ConfigError{where, "", "keys and values are wanted"}
			}
			entries = append(entries, configLine{prefix, n.Value, where})
			return nil
		default:
			return &ConfigError{where, "", "anchors and aliases are not followed"}
		}
	}
	if doc.Kind == 0 { // an empty file
		return nil, nil
	}
	if err := walk("", &doc, 0); err != nil {
		return nil, err
	}
	return entries, nil
}

func (c *Config) loadEnviron(prefix string, environ []string) error {
	keys := map[string]string{}
	for name, s := range byName(c.rows) {
		keys[variable(name)] = name
		if s.Show == Secret {
			keys[variable(name+".file")] = name + ".file"
		}
	}
	for _, key := range DecidedByProcessor() {
		keys[variable(key)] = key
	}
	var entries []configLine
	var errs []error
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		rest, ok := strings.CutPrefix(name, prefix)
		if !ok || rest == "" || prefix == "AVROLINE_" && (rest == "REGISTRY" || rest == "SHARED" || strings.HasPrefix(rest, "TEST_")) {
			continue
		}
		key, ok := keys[rest]
		if !ok {
			names := make([]string, 0, len(keys))
			for n := range keys {
				names = append(names, prefix+n)
			}
			errs = append(errs, &ConfigError{name, "", "unknown setting" + nearest(name, names)})
			continue
		}
		entries = append(entries, configLine{key, value, name})
	}
	return errors.Join(append(errs, c.load(entries, false))...)
}
