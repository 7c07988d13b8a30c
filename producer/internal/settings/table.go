package settings

import (
	"fmt"
	"slices"
	"strings"
)

// Setting is one row of the [Table]. A row has all facts about one setting.
type Setting struct {
	// Key names the setting in files, in errors and in [Config.Origin]. Key is
	// librdkafka's name if the library has the setting. Otherwise Key is Java's
	// name, or a name of this project that begins with "avroline.".
	Key string
	// Java is Java's name if it differs from Key.
	Java string
	// Aliases are other names that a file may use.
	Aliases []string
	// Option is the function of package producer that sets the setting, or "".
	Option string
	// GoOnly says that no file can set the value, because the value is no text.
	GoOnly bool
	// Default is the initial value in [New], in the form of a file.
	Default string
	// About is documentation that the other fields do not contain.
	About string
	// In says which constructors take the setting. 0 means all.
	In Purposes
	// Show says whether errors may show the value.
	Show Visibility
	// Transports says which transports support the setting. 0 means all.
	Transports Transports
	// Fixed is the reason why WithConfig refuses the key, with every value.
	// Files and the environment may still give the value that is already in
	// force.
	Fixed string
	// Refused is the reason why every source refuses the key.
	Refused string

	kind
}

// Visibility says whether errors show the value of a setting.
type Visibility uint8

const (
	// Hidden values are never shown. Hidden is the zero value.
	Hidden Visibility = iota
	// Harmless values are shown in errors.
	Harmless
	// Secret values are never shown. A file or a map may give a secret as
	// KEY.file, and the value is then the path of a file with the secret.
	Secret
)

// Purposes is a set of constructors.
type Purposes uint8

// The members of [Purposes].
const (
	InProducer Purposes = 1 << iota
	InTransactional
	InProcessor
	InSource
	InTransactions = InTransactional | InProcessor | InSource
)

func (in Purposes) has(p Purpose) bool {
	member := map[Purpose]Purposes{ForProducer: InProducer, ForTransactional: InTransactional, ForProcessor: InProcessor, ForSource: InSource}
	return in == 0 || p == ForConnection || in&member[p] != 0
}

// String returns the names of the constructors.
func (in Purposes) String() string {
	var names []string
	for _, p := range []Purpose{ForProducer, ForTransactional, ForProcessor, ForSource} {
		if in.has(p) {
			names = append(names, string(p))
		}
	}
	return strings.Join(names, ", ")
}

// kind has the functions for the value of a setting. Every function may be nil.
type kind struct {
	// set reads the text of a file. The error is a reason without the value.
	set func(c *Config, text string) error
	// value returns the current value, for errors.
	value func(c *Config) any
	// check returns the reason if the current value is refused, or "".
	check func(c *Config) string
	// bounds describes the allowed values in the documentation.
	bounds string
	// passed names the map for the value. The value goes to the client library
	// in its canonical form.
	passed passedTo
	// canonical returns the one form of a passed value that has several forms.
	canonical func(text string) string
	// client returns the value for librdkafka. sent names the clients.
	client func(c *Config) any
	sent   sentTo
	// readsFiles says that the value names a file that set reads.
	readsFiles bool
	// covers returns the keys of other rows whose settings the text sets too.
	covers func(text string) []string
}

type passedTo uint8

const (
	toField passedTo = iota
	toClient
	toConsumer
)

type sentTo uint8

const (
	sentToNone sentTo = iota
	sentToAll
	sentToProducers
)

// Names returns all names of the setting in files. The key comes first.
func (s *Setting) Names() []string {
	names := []string{s.Key}
	if s.Java != "" {
		names = append(names, s.Java)
	}
	return append(names, s.Aliases...)
}

// settings returns the keys of all rows whose settings the text sets. The
// setting's own key comes first.
func (s *Setting) settings(text string) []string {
	keys := []string{s.Key}
	if s.covers != nil {
		keys = append(keys, s.covers(text)...)
	}
	return keys
}

// Bounds returns the allowed values, for the documentation.
func (s *Setting) Bounds() string { return s.bounds }

// Passed reports whether the value goes to the client library unchanged.
func (s *Setting) Passed() bool { return s.passed != toField }

// Table returns every known setting, in the order of the documentation. A key
// that is not in the table is unknown.
func Table() []Setting {
	rows := slices.Concat(optionRows(), securityRows(), clientRows(), consumerRows(), javaRows(), refusedRows())
	for i := range rows {
		switch s := &rows[i]; {
		case s.Refused != "":
			s.set = func(*Config, string) error { return fmt.Errorf("%s", s.Refused) }
		case s.passed == toClient:
			s.set = passInto(func(c *Config) map[string]string { return c.Passed }, s.Key, s.kind)
		case s.passed == toConsumer:
			s.set = passInto(func(c *Config) map[string]string { return c.ConsumerPassed }, s.Key, s.kind)
		}
	}
	return rows
}

func passInto(values func(*Config) map[string]string, key string, k kind) func(*Config, string) error {
	return func(c *Config, text string) error {
		if err := k.set(c, text); err != nil {
			return err
		}
		if k.canonical != nil {
			text = k.canonical(text)
		}
		values(c)[key] = text
		return nil
	}
}

// byName maps every name to its row of the table.
func byName(rows []Setting) map[string]*Setting {
	found := make(map[string]*Setting, 2*len(rows))
	for i := range rows {
		if rows[i].GoOnly {
			continue
		}
		for _, name := range rows[i].Names() {
			found[name] = &rows[i]
		}
	}
	return found
}
