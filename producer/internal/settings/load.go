package settings

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// configLine is one setting in text, and what to call it: "app.properties:3: linger.ms".
type configLine struct{ key, value, label string }

// FromMap reads librdkafka's or Java's names from a map. Keys that the
// guarantee rests on are refused, whatever their value.
func FromMap(m map[string]string) Option {
	entries := make([]configLine, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		entries = append(entries, configLine{k, m[k], "WithConfig: " + k})
	}
	return Option{"WithConfig", func(c *Config) error { return c.load(entries, true) }}
}

// FromProperties reads a properties file.
func FromProperties(path string) Option {
	return Option{"WithProperties", func(c *Config) error { return c.loadFile(path, parseProperties) }}
}

// FromYAML reads a file of YAML or JSON.
func FromYAML(path string) Option {
	return Option{"WithYAML", func(c *Config) error { return c.loadFile(path, parseYAML) }}
}

// FromFile chooses between [FromYAML] and [FromProperties] by the file's
// extension.
func FromFile(path string) Option {
	if i := strings.LastIndexByte(path, '.'); i >= 0 {
		switch path[i:] {
		case ".yaml", ".yml", ".json":
			return FromYAML(path)
		}
	}
	return FromProperties(path)
}

// FromEnviron reads the variables that begin with prefix. An empty prefix means
// AVROLINE_. environ is [os.Environ] or a test's own; New calls it.
func FromEnviron(prefix string, environ func() []string) Option {
	if prefix == "" {
		prefix = "AVROLINE_"
	}
	return Option{"WithEnviron", func(c *Config) error { return c.loadEnviron(prefix, environ()) }}
}

// load sets what the entries say. strict refuses every key that the guarantee
// rests on.
func (c *Config) load(entries []configLine, strict bool) error {
	rows := byName(c.rows)
	seen := map[string]configLine{}
	var errs []error
	for _, e := range entries {
		value := strings.TrimSpace(e.value)
		refuse := func(s *Setting, reason string) {
			shown := ""
			if s != nil && s.Show == Harmless {
				shown = value
			}
			errs = append(errs, &ConfigError{e.label, shown, reason})
		}
		s := rows[e.key]
		if s == nil {
			if key, isFile := strings.CutSuffix(e.key, ".file"); isFile && rows[key] != nil && rows[key].Show == Secret {
				b, err := readSmall(value)
				if err != nil {
					errs = append(errs, &ConfigError{e.label, value, err.Error()})
					continue
				}
				s, value = rows[key], strings.TrimRight(string(b), "\r\n")
			}
		}
		switch {
		case s == nil:
			refuse(nil, unknownReason(e.key, rows))
			continue
		case s.passed == toConsumer && !s.In.has(c.Purpose):
			refuse(nil, "is a consumer's setting: only NewProcessor takes it")
			continue
		case strict && s.Guard != "":
			refuse(s, s.Guard)
			continue
		}
		if before, twice := seen[s.Key]; twice {
			refuse(s, fmt.Sprintf("says the same as %s: keep one", before.label))
			continue
		}
		seen[s.Key] = e
		if err := s.set(c, value); err != nil {
			refuse(s, err.Error())
			continue
		}
		c.origins[s.Key] = e.label
	}
	return errors.Join(errs...)
}

// unknownReason says why a key without a row is refused.
func unknownReason(key string, rows map[string]*Setting) string {
	switch {
	case slices.Contains(DecidedByProcessor(), key):
		return "is decided by the processor, and means nothing to a producer"
	case strings.HasPrefix(key, "go."):
		return "how reports and logs reach us rests on it"
	}
	return "unknown setting" + nearest(key, slices.Collect(maps.Keys(rows)))
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
