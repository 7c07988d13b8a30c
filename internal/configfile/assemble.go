package configfile

import (
	"errors"
	"maps"
	"slices"
	"strings"
)

// lookup finds an environment variable, as [os.LookupEnv] does.
type lookup func(name string) (value string, ok bool)

// assemble makes entries from the lines of a file. assemble chooses the active
// documents, gives every setting the name that Kafka's clients use, and
// replaces placeholders.
func assemble(documents []document, env lookup) (File, error) {
	spring := slices.ContainsFunc(documents, func(d document) bool {
		return slices.ContainsFunc(d, func(l line) bool { return strings.HasPrefix(l.key, "spring.") })
	})
	if spring {
		return assembleSpring(documents, env)
	}
	lines := slices.Concat(documents...)
	placeholders := newProviders(lines, env)
	connect := slices.ContainsFunc(lines, func(l line) bool {
		return l.key == "key.converter" || l.key == "value.converter" || strings.HasPrefix(l.key, "offset.storage.")
	})
	var f File
	var errs []error
	for _, l := range lines {
		e := plainEntry(l, connect)
		errs = append(errs, f.add(e, l, placeholders.replace))
	}
	return f, errors.Join(errs...)
}

// plainEntry names a line of properties or YAML. A Connect worker file has
// prefixes for its clients and its converters.
func plainEntry(l line, connect bool) Entry {
	e := Entry{Key: l.key, Value: l.value, Origin: l.origin, owner: OwnerOf(l.key)}
	for _, section := range []struct {
		prefix string
		client client
	}{
		{"producer.override.", producerClient},
		{"producer.", producerClient},
		{"consumer.override.", consumerClient},
		{"consumer.", consumerClient},
		{"value.converter.", producerClient},
		{"key.converter.", anyClient},
	} {
		key, ok := strings.CutPrefix(l.key, section.prefix)
		if !ok || e.owner != Nobody {
			continue
		}
		e.owner = OwnerOf(key)
		if converter := strings.HasSuffix(section.prefix, "converter."); converter && e.owner != Registry && e.owner != Serde {
			e.owner = Elsewhere // a setting of the converter
		}
		if e.owner != Nobody {
			e.Key, e.client = key, section.client
		}
		break
	}
	switch {
	case connect && l.key == "group.id": // the group of the Connect workers
		e.owner = Elsewhere
	case connect && javaClasses(e.Key):
		e.owner = Elsewhere
	}
	return e
}

// javaClasses reports whether a key names classes of Java. In a file of Spring
// or Connect, such a key is for the Java program only. Elsewhere package
// producer refuses the key, because a setting of librdkafka with the same
// purpose would load code.
func javaClasses(key string) bool { return key == "interceptor.classes" || key == "metric.reporters" }

// mostHints limits the work for files with many unknown keys.
const mostHints = 20

// add appends an entry. A wrong placeholder or value is an error only if a
// reader reads the entry.
func (f *File) add(e Entry, l line, replace func(string) (string, error)) error {
	if e.owner == Nobody && f.hints < mostHints {
		f.hints++
		e.Hint = hint(e.Key)
	}
	if e.owner != Nobody && e.owner != Elsewhere {
		if l.wrong != "" {
			return &Error{e.Origin, l.wrong}
		}
		value, err := replace(e.Value)
		if err != nil {
			return &Error{e.Origin, err.Error()}
		}
		e.Value = value
	}
	f.entries = append(f.entries, e)
	return nil
}

// knownNames returns the candidates for the hint of an unknown key.
func knownNames() []string {
	return slices.Concat(Names(Producer), Names(Consumer), Names(Registry), Names(Serde))
}

// Environ returns the variables that begin with prefix. The rest of a
// variable's name is the key in capitals, with _ for dots and dashes, and
// without the leading "avroline.". environ is the result of [os.Environ].
func Environ(prefix string, environ []string) File {
	keys := map[string]string{}
	for _, key := range knownNames() {
		keys[Variable(key)] = key
		if Secret(key) {
			keys[Variable(key+".file")] = key + ".file"
		}
	}
	variables := make([]string, 0, len(keys))
	for name := range keys {
		variables = append(variables, prefix+name)
	}
	var f File
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		rest, ok := strings.CutPrefix(name, prefix)
		if !ok || rest == "" {
			continue
		}
		e := Entry{Key: name, Value: strings.TrimSpace(value), Origin: name}
		if key, ok := keys[rest]; ok {
			e.Key, e.owner = key, OwnerOf(key)
		} else if f.hints < mostHints {
			f.hints++
			e.Hint = Nearest(name, variables)
		}
		f.entries = append(f.entries, e)
	}
	return f
}

// Variable returns the environment variable for a key, without the prefix. For
// example, avroline.preset gives PRESET.
func Variable(key string) string {
	key = strings.TrimPrefix(key, "avroline.")
	return strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(key))
}

// Map returns the settings of a map. The keys of the map are the names of the
// settings.
func Map(m map[string]string) File {
	var f File
	for _, key := range slices.Sorted(maps.Keys(m)) {
		e := Entry{Key: key, Value: strings.TrimSpace(m[key]), Origin: key, owner: OwnerOf(key)}
		if e.owner == Nobody && f.hints < mostHints {
			f.hints++
			e.Hint = hint(key)
		}
		f.entries = append(f.entries, e)
	}
	return f
}
