package configfile

import (
	"fmt"
	"path/filepath"
	"strings"
)

// providers replace placeholders of the form ${name:path:key}, as Kafka's
// config.providers do.
type providers struct {
	classes map[string]string // by name, such as "FileConfigProvider"
	env     lookup
}

// newProviders reads config.providers and config.providers.NAME.class.
func newProviders(lines document, env lookup) *providers {
	values := map[string]string{}
	for _, l := range lines {
		if strings.HasPrefix(l.key, "config.providers") {
			values[l.key] = l.value
		}
	}
	p := &providers{classes: map[string]string{}, env: env}
	for name := range strings.SplitSeq(values["config.providers"], ",") {
		if name = strings.TrimSpace(name); name != "" {
			class := values["config.providers."+name+".class"]
			p.classes[name] = class[strings.LastIndexByte(class, '.')+1:]
		}
	}
	return p
}

// replace replaces the placeholders of the providers that the file declares.
// Other text does not change.
func (p *providers) replace(value string) (string, error) {
	if len(p.classes) == 0 {
		return value, nil
	}
	return expand(value, func(inner string) (string, bool, error) {
		name, rest, ok := strings.Cut(inner, ":")
		class, declared := p.classes[name]
		if !ok || !declared {
			return "", false, nil
		}
		path, key := "", rest
		if i := strings.LastIndexByte(rest, ':'); i >= 0 {
			path, key = rest[:i], rest[i+1:]
		}
		replaced, err := p.value(class, path, key)
		return replaced, true, err
	})
}

func (p *providers) value(class, path, key string) (string, error) {
	switch class {
	case "EnvVarConfigProvider":
		if v, ok := p.env(key); ok {
			return v, nil
		}
		return "", fmt.Errorf("the environment has no variable %s", printable(key))
	case "DirectoryConfigProvider":
		b, err := ReadSmall(filepath.Join(path, filepath.Base(key)))
		return trimNewline(b), err
	case "FileConfigProvider":
		return valueInFile(path, key)
	}
	return "", fmt.Errorf("the config provider %s is not known here: there are FileConfigProvider, DirectoryConfigProvider and EnvVarConfigProvider", printable(class))
}

func valueInFile(path, key string) (string, error) {
	b, err := ReadSmall(path)
	if err != nil {
		return "", err
	}
	text, err := decode(b)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	documents, err := parseProperties(filepath.Base(path), text)
	if err != nil {
		return "", err
	}
	for _, d := range documents {
		for _, l := range d {
			if l.key == key {
				return l.value, nil
			}
		}
	}
	return "", fmt.Errorf("%s has no key %s", path, printable(key))
}

// expand replaces each ${…} that find knows. Braces inside may nest. The size
// of the result is limited, because a value may contain a placeholder twice.
func expand(value string, find func(inner string) (replaced string, ok bool, err error)) (string, error) {
	var b strings.Builder
	for {
		start := strings.Index(value, "${")
		if start < 0 {
			b.WriteString(value)
			break
		}
		end := closingBrace(value[start+2:])
		if end < 0 {
			b.WriteString(value)
			break
		}
		inner := value[start+2 : start+2+end]
		b.WriteString(value[:start])
		value = value[start+2+end+1:]
		replaced, ok, err := find(inner)
		if err != nil {
			return "", err
		}
		if !ok {
			replaced = "${" + inner + "}"
		}
		if b.WriteString(replaced); b.Len() > maxFile {
			return "", fmt.Errorf("is larger than %d bytes after the placeholders are replaced", maxFile)
		}
	}
	return b.String(), nil
}

// closingBrace finds the closing brace of a placeholder.
func closingBrace(s string) int {
	depth := 1
	for i := range len(s) {
		switch {
		case s[i] == '{' && i > 0 && s[i-1] == '$':
			depth++
		case s[i] == '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}
