package settings

import "fmt"

// Option changes a [Config]. The zero Option does nothing. An Option may be
// used several times and by several goroutines.
type Option struct {
	name  string
	apply func(*Config) error
}

// Set makes an option. The name is the option's name for the user. The keys are
// the settings that the option sets: see [Config.Origin].
func Set(name string, apply func(*Config), keys ...string) Option {
	return Option{name, func(c *Config) error {
		apply(c)
		for _, key := range keys {
			c.origins[key] = name
		}
		return nil
	}}
}

// As returns options that read the given ones as another constructor would,
// because a processor's options may be those of its consumer, too. What is
// checked at the end is checked for the constructor that is called.
func As(p Purpose, opts []Option) []Option {
	var own Purpose
	begin := Set("As", func(c *Config) { own, c.Purpose = c.Purpose, p })
	end := Set("As", func(c *Config) { c.Purpose = own })
	return append(append([]Option{begin}, opts...), end)
}

// Carry makes an option that only transports a value of a higher layer, for
// example hooks. [Carried] finds the value again.
func Carry(name string, value any, keys ...string) Option {
	return Set(name, func(c *Config) { c.carried = append(c.carried, value) }, keys...)
}

// Carried returns the values of type T that came with [Carry], in the order of
// the options.
func Carried[T any](c *Config) []T {
	var all []T
	for _, value := range c.carried {
		if v, ok := value.(T); ok {
			all = append(all, v)
		}
	}
	return all
}

// String is the option's name. The value may be a secret and is never shown.
func (o Option) String() string { return o.name }

// GoString is [Option.String].
func (o Option) GoString() string { return o.name }

// Acks is how many replicas must have a message before the broker answers.
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

// Compression is a codec, by its name in Kafka.
type Compression string

// The codecs.
const (
	NoCompression Compression = "none"
	Gzip          Compression = "gzip"
	Snappy        Compression = "snappy"
	LZ4           Compression = "lz4"
	Zstd          Compression = "zstd"
)
