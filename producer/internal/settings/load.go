package settings

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/avroline/avroline/internal/configfile"
)

// FromMap reads librdkafka's or Java's names from a map. FromMap refuses every
// key that the guarantee depends on, even with the right value. Like a file,
// the map may give a secret as KEY.file.
func FromMap(m map[string]string) Option {
	m = maps.Clone(m)
	return Option{"WithConfig", func(c *Config) error {
		var errs []error
		seen := map[string]string{}
		for _, key := range slices.Sorted(maps.Keys(m)) {
			origin := "WithConfig: " + key
			key, value, err := configfile.ReadSecret(key, strings.TrimSpace(m[key]))
			if err != nil {
				c.unread.security = true
				errs = append(errs, &ConfigError{Setting: origin, Reason: err.Error()})
				continue
			}
			errs = append(errs, c.load(key, value, origin, seen, true))
		}
		c.findTwoLevels(seen)
		return errors.Join(errs...)
	}}
}

// FromProperties reads a properties file.
func FromProperties(path string) Option {
	return fromFile("WithProperties", path, configfile.ReadProperties)
}

// FromYAML reads a file of YAML or JSON.
func FromYAML(path string) Option { return fromFile("WithYAML", path, configfile.ReadYAML) }

// FromFile chooses [FromYAML] or [FromProperties] by the file's extension.
func FromFile(path string) Option { return fromFile("WithConfigFile", path, configfile.Read) }

func fromFile(name, path string, read func(string) (configfile.File, error)) Option {
	return Option{name, func(c *Config) error {
		f, err := read(path)
		if err != nil {
			c.unread.brokers = true
			return configError(err)
		}
		return c.loadFile(f)
	}}
}

// FromEnviron reads the variables that begin with prefix. An empty prefix means
// AVROLINE_. environ is [os.Environ] or a function of a test. New calls
// environ.
func FromEnviron(prefix string, environ func() []string) Option {
	prefix = cmp.Or(prefix, "AVROLINE_")
	return Option{"WithEnviron", func(c *Config) error {
		variables := environ()
		if prefix == "AVROLINE_" { // these variables belong to programs and tests
			variables = slices.DeleteFunc(slices.Clone(variables), func(v string) bool {
				name, _, _ := strings.Cut(v, "=")
				return name == "AVROLINE_REGISTRY" || name == "AVROLINE_SHARED" || strings.HasPrefix(name, "AVROLINE_TEST_")
			})
		}
		return c.loadFile(configfile.Environ(prefix, variables))
	}}
}

// LogUnknownKeys is producer.LogUnknownKeys.
func LogUnknownKeys() Option {
	return Set("LogUnknownKeys", func(c *Config) { c.logUnknown = true })
}

// unread says what a source may have set if there had been no mistake in the
// source. A check of these settings would report a second mistake that the user
// has not made.
type unread struct{ brokers, security, sasl bool }

// configError converts an error of package configfile to a [*ConfigError], or
// to several.
func configError(err error) error {
	if all, ok := err.(interface{ Unwrap() []error }); ok {
		var errs []error
		for _, one := range all.Unwrap() {
			errs = append(errs, configError(one))
		}
		return errors.Join(errs...)
	}
	var e *configfile.Error
	if errors.As(err, &e) {
		return &ConfigError{Setting: e.Origin, Reason: e.Reason}
	}
	return err
}

// loadFile applies the settings of a file or of the environment. loadFile
// ignores keys of other owners. loadFile keeps unknown keys until New has read
// every option.
func (c *Config) loadFile(f configfile.File) error {
	for _, e := range f.Unknown() {
		c.unknown = append(c.unknown, &ConfigError{Setting: e.Origin, Reason: "unknown setting" + e.Hint})
	}
	owners := []configfile.Owner{configfile.Producer}
	if c.Purpose == ForProcessor {
		owners = append(owners, configfile.Consumer)
	}
	var errs []error
	for _, owner := range owners {
		entries, err := f.For(owner)
		if err != nil { // only secrets are in files of their own
			c.unread.security = true
			errs = append(errs, configError(err))
		}
		// A preset comes first, so that the other keys win in any order. The
		// environment has no order that the user chooses.
		slices.SortStableFunc(entries, func(a, b configfile.Entry) int {
			switch {
			case a.Key == presetKey && b.Key != presetKey:
				return -1
			case a.Key != presetKey && b.Key == presetKey:
				return 1
			}
			return 0
		})
		common, special := map[string]string{}, map[string]string{}
		for _, e := range entries {
			seen := special
			if e.Common() {
				seen = common
			}
			errs = append(errs, c.load(e.Key, e.Value, e.Origin, seen, false))
		}
		c.findTwoLevels(common)
		c.findTwoLevels(special)
		errs = append(errs, c.contradiction(entries))
	}
	return errors.Join(errs...)
}

// contradiction refuses a source in which avroline.weak.acks contradicts acks
// or enable.idempotence. Otherwise the order of the keys would decide how safe
// the messages are, or the idempotence of the source would have no effect.
func (c *Config) contradiction(entries []configfile.Entry) error {
	last := map[string]configfile.Entry{}
	for _, e := range entries {
		if s := c.names[e.Key]; s != nil {
			e.Value = strings.TrimSpace(e.Value)
			last[s.Key] = e
		}
	}
	weak, given := last["avroline.weak.acks"]
	var confirmed Config
	if !given || setAcks(&confirmed, weak.Value) != nil { // load reports a wrong value
		return nil
	}
	bad := func(other configfile.Entry, fix string) error {
		return &ConfigError{Setting: weak.Origin, Value: weak.Value, Reason: fmt.Sprintf("contradicts %s, which is %s: %s", other.Origin, other.Value, fix)}
	}
	var errs []error
	var said Config
	if acks, given := last["acks"]; given && setAcks(&said, acks.Value) == nil && said.Acks != confirmed.Acks {
		errs = append(errs, bad(acks, "give both the same value"))
	}
	if on, given := last["enable.idempotence"]; given {
		if idempotent, err := parseBool(on.Value); err == nil && idempotent {
			errs = append(errs, bad(on, "weak acks give up idempotence, so keep one"))
		}
	}
	return errors.Join(errs...)
}

// findTwoLevels keeps an error for each codec with two levels in one source.
// Only the error of the chosen codec counts, because a file of Java may have
// the levels of several codecs.
func (c *Config) findTwoLevels(seen map[string]string) {
	level, given := seen["compression.level"]
	if !given {
		return
	}
	for _, codec := range []Compression{Gzip, LZ4, Zstd} {
		if origin, twice := seen["compression."+string(codec)+".level"]; twice {
			if c.twoLevels == nil {
				c.twoLevels = map[Compression]*ConfigError{}
			}
			c.twoLevels[codec] = &ConfigError{Setting: origin, Reason: sameAs(level)}
		}
	}
}

// sameAs is the reason for refusing the second name of a setting.
func sameAs(before string) string { return fmt.Sprintf("says the same as %s: keep one", before) }

// load sets one key. seen has the settings of the earlier keys of the same
// source, with their origins. strict refuses every key that the guarantee
// depends on.
func (c *Config) load(key, value, origin string, seen map[string]string, strict bool) error {
	value = strings.TrimSpace(value)
	s, known := c.names[key]
	if !known {
		return &ConfigError{Setting: origin, Reason: unknownReason(key, c.names)}
	}
	refuse := func(reason string) error {
		if s.Show != Harmless {
			value = ""
		}
		return &ConfigError{origin, value, reason}
	}
	if s.passed == toConsumer && !s.In.has(c.Purpose) {
		return &ConfigError{Setting: origin, Reason: "is a consumer's setting: only processor.New takes it"}
	}
	if strict && s.Fixed != "" {
		return refuse(s.Fixed)
	}
	keys := s.settings(value)
	for _, k := range keys {
		if before, twice := seen[k]; twice {
			return refuse(sameAs(before))
		}
	}
	for _, k := range keys {
		seen[k] = origin
	}
	if err := s.set(c, value); err != nil {
		c.unread.sasl = c.unread.sasl || strings.HasPrefix(s.Key, "sasl.")
		return refuse(err.Error())
	}
	for _, k := range keys {
		c.origins[k] = origin
	}
	return nil
}

// unknownReason returns the reason for refusing a key without a row.
func unknownReason(key string, names map[string]*Setting) string {
	switch owner := configfile.OwnerOf(key); {
	case slices.Contains(DecidedByProcessor(), key):
		return "is decided by the processor, and means nothing to a producer"
	case strings.HasPrefix(key, "go."):
		return "how reports and logs reach us rests on it"
	case owner == configfile.Registry:
		return "it belongs to registry.New"
	case owner == configfile.Serde:
		return "it belongs to the serde.Serializer"
	case owner != configfile.Nobody:
		return "has no meaning here"
	}
	return "unknown setting" + configfile.Nearest(key, slices.Collect(maps.Keys(names)))
}

// unknownKeys refuses the unknown keys, unless New logs them.
func (c *Config) unknownKeys() error {
	if c.logUnknown {
		return nil
	}
	var errs []error
	for _, err := range c.unknown {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
