package settings

import (
	"errors"
	"fmt"
)

// Option changes a [Config]. The zero Option does nothing. Several goroutines
// may use an Option, several times each.
type Option struct {
	name  string
	apply func(*Config) error
}

// Set makes an option. name is the option's name for the user. keys are the
// settings that the option sets. See [Config.Origin].
func Set(name string, apply func(*Config), keys ...string) Option {
	return Option{name, func(c *Config) error {
		apply(c)
		for _, key := range keys {
			c.origins[key] = name
		}
		return nil
	}}
}

// As returns options that read opts for another constructor. A processor uses
// As, because its options may also be options of its consumer. The checks at
// the end are the checks of the called constructor.
func As(p Purpose, opts []Option) []Option {
	var own Purpose
	begin := Set("As", func(c *Config) { own, c.Purpose = c.Purpose, p })
	end := Set("As", func(c *Config) { c.Purpose = own })
	return append(append([]Option{begin}, opts...), end)
}

// Nil makes the option of a nil argument. The constructor refuses the option by
// its name.
func Nil(name string) Option {
	return Option{name, func(*Config) error { return &ConfigError{Setting: name, Reason: "must not be nil"} }}
}

// Join makes one option of several. name is the option's name for the user.
func Join(name string, opts ...Option) Option {
	return Option{name, func(c *Config) error {
		var errs []error
		for _, o := range opts {
			if o.apply != nil {
				errs = append(errs, o.apply(c))
			}
		}
		return errors.Join(errs...)
	}}
}

// Carry makes an option that only transports a value of a higher layer, for
// example hooks. [Carried] returns the value.
func Carry(name string, value any, keys ...string) Option {
	return Set(name, func(c *Config) { c.carried = append(c.carried, value) }, keys...)
}

// Carried returns the values of type T from [Carry], in the order of the
// options.
func Carried[T any](c *Config) []T {
	var all []T
	for _, value := range c.carried {
		if v, ok := value.(T); ok {
			all = append(all, v)
		}
	}
	return all
}

// String returns the option's name. String never shows the value, because the
// value may be a secret.
func (o Option) String() string { return o.name }

// GoString returns [Option.String].
func (o Option) GoString() string { return o.name }

// Acks is the number of replicas that must have a message before the broker
// answers.
type Acks int

// The values of [Acks].
const (
	AcksAll    Acks = -1
	AcksNone   Acks = 0
	AcksLeader Acks = 1
)

func (a Acks) String() string {
	if a == AcksAll {
		return "all"
	}
	return fmt.Sprint(int(a))
}

// Compression is the Kafka name of a codec.
type Compression string

// The values of [Compression].
const (
	NoCompression Compression = "none"
	Gzip          Compression = "gzip"
	Snappy        Compression = "snappy"
	LZ4           Compression = "lz4"
	Zstd          Compression = "zstd"
)
