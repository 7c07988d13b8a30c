package registry

import (
	"fmt"
	"strings"

	"github.com/avroline/avroline/internal/configfile"
)

// settings holds the keys of all sources, by name. The later source wins.
type settings struct {
	entries map[string]configfile.Entry
	// kafka holds the producer's credentials, which SASL_INHERIT uses.
	kafka   map[string]string
	issuer  *ClientCredentials // of bearer.auth.*, or nil
	unknown []configfile.Entry
	errs    []error
}

// read adds the settings of an option.
func (s *settings) read(o Option) {
	file, err := o.source()
	if err != nil {
		s.errs = append(s.errs, fmt.Errorf("%s: %w", o.name, err))
		return
	}
	s.add(o.name, file)
}

func (s *settings) add(name string, file configfile.File) {
	for _, owner := range []configfile.Owner{configfile.Registry, configfile.Producer} {
		entries, err := file.For(owner)
		if err != nil {
			s.errs = append(s.errs, fmt.Errorf("%s: %w", name, err))
		}
		for _, e := range entries {
			if owner == configfile.Producer {
				if e.Key == "sasl.username" || e.Key == "sasl.password" {
					s.kafka[e.Key] = e.Value
				}
				continue
			}
			s.entries[aliasOf(e.Key)] = e
		}
	}
	for _, e := range file.Unknown() {
		program := e.Origin == "AVROLINE_REGISTRY" || e.Origin == "AVROLINE_SHARED" || strings.HasPrefix(e.Origin, "AVROLINE_TEST_")
		if !program {
			s.unknown = append(s.unknown, e)
		}
	}
}

// aliasOf returns the main name of a key that has several names. As in Java,
// the keys of credentials and of the proxy may have the prefix
// "schema.registry.".
func aliasOf(key string) string {
	if key == "schema.registry.urls" {
		return "schema.registry.url"
	}
	name := strings.TrimPrefix(key, "schema.registry.")
	for _, family := range []string{"basic.auth.", "bearer.auth.", "proxy."} {
		if strings.HasPrefix(name, family) {
			return name
		}
	}
	return key
}

// settingsError returns the error for a setting that cannot be applied. Its
// text shows no value of a key that may hold a secret.
func settingsError(e configfile.Entry, format string, args ...any) error {
	return fmt.Errorf("%s: %s", e.Origin, fmt.Sprintf(format, args...))
}
