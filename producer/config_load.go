package producer

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// configLine is one setting in text, and what to call it: "app.properties:3: linger.ms".
type configLine struct{ key, value, label string }

// WithConfig hands settings to librdkafka by its own names, or Java's. Those that have an option here mean the same as
// that option. Keys that the guarantee rests on are refused with the reason, by every alias they have; so are keys that
// nobody knows, with the nearest name.
func WithConfig(m map[string]string) Option {
	entries := make([]configLine, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		entries = append(entries, configLine{k, m[k], "WithConfig: " + k})
	}
	return Option{"WithConfig", func(c *config) error { return c.load(entries, true) }}
}

// WithProperties reads a Java-style properties file, with Java's or librdkafka's names: see docs/configuration.md.
// Keys that are unknown, said twice, or that only another producer could honour are errors with file and line.
// The password keys may be said as KEY.file, naming a file that holds the value.
func WithProperties(path string) Option {
	return Option{"WithProperties", func(c *config) error { return c.loadFile(path, parseProperties) }}
}

// WithYAML reads the same keys from YAML (or JSON), nested or with dots: "linger: {ms: 5}" is "linger.ms: 5".
func WithYAML(path string) Option {
	return Option{"WithYAML", func(c *config) error { return c.loadFile(path, parseYAML) }}
}

// WithConfigFile is [WithYAML] for names that end in .yaml, .yml or .json, and [WithProperties] for all others: what a
// program's --config flag wants.
func WithConfigFile(path string) Option {
	if i := strings.LastIndexByte(path, '.'); i >= 0 {
		switch path[i:] {
		case ".yaml", ".yml", ".json":
			return WithYAML(path)
		}
	}
	return WithProperties(path)
}

// WithEnviron reads the same keys from environment variables: prefix, then the key in capitals with _ for its dots.
// With the prefix AVROLINE_ (which "" stands for) AVROLINE_LINGER_MS is linger.ms and AVROLINE_SASL_PASSWORD_FILE
// names the file that holds the password. A variable with the prefix that is no setting is an error, except
// AVROLINE_REGISTRY, AVROLINE_SHARED and those that begin with AVROLINE_TEST_, which belong to programs and tests.
func WithEnviron(prefix string) Option {
	if prefix == "" {
		prefix = "AVROLINE_"
	}
	return Option{"WithEnviron", func(c *config) error { return c.loadEnviron(prefix, os.Environ()) }}
}

// load sets what the entries say, strictly where the guarantee is concerned (WithConfig).
func (c *config) load(entries []configLine, strict bool) error {
	known := settings()
	client, consumer := passedKeys()
	seen := map[string]configLine{}
	var errs []error
	for _, e := range entries {
		value := strings.TrimSpace(e.value)
		refuse := func(format string, args ...any) {
			shown := value
			if s, ok := known[e.key]; !ok || s.secret {
				shown = "" // of an unknown key we cannot tell whether it is a secret
			}
			errs = append(errs, &ConfigError{e.label, shown, fmt.Sprintf(format, args...)})
		}
		s, ok := known[e.key]
		if file, isFile := strings.CutSuffix(e.key, ".file"); !ok && isFile && known[file].secret {
			s, ok = known[file], true
			b, err := readSmall(value)
			if err != nil {
				refuse("%v", err)
				continue
			}
			value = strings.TrimRight(string(b), "\r\n")
		}
		if !ok {
			switch {
			case slices.Contains(client, e.key):
				s = setting{key: e.key, set: func(c *config, v string) error { c.extra[e.key] = v; return nil }}
			case slices.Contains(consumer, e.key) && c.forWhom == forProcessor:
				s = setting{key: e.key, set: func(c *config, v string) error { c.consumerExtra[e.key] = v; return nil }}
			case slices.Contains(consumer, e.key):
				refuse("is a consumer's setting: only NewProcessor takes it")
				continue
			case slices.Contains(processorKeys(), e.key):
				refuse("is decided by the processor, and means nothing to a producer")
				continue
			case strings.HasPrefix(e.key, "go."):
				refuse("how reports and logs reach us rests on it")
				continue
			default:
				refuse("unknown setting%s", nearest(e.key, append(slices.Collect(maps.Keys(known)), client...)))
				continue
			}
		}
		if strict && s.guard != "" {
			refuse("%s", s.guard)
			continue
		}
		if before, twice := seen[s.key]; twice {
			refuse("says the same as %s: keep one", before.label)
			continue
		}
		seen[s.key] = e
		if err := s.set(c, value); err != nil {
			refuse("%v", err)
			continue
		}
		c.said[s.key] = e.label
	}
	return errors.Join(errs...)
}

// nearest suggests what may have been meant.
func nearest(name string, known []string) string {
	best, least := "", max(2, len(name)/3)+1
	slices.Sort(known)
	for _, k := range known {
		if d := distance(name, k); d < least {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(": did you mean %q?", best)
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
