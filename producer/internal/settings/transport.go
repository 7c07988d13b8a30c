package settings

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Transports is a set of transports.
type Transports uint8

// The members of [Transports].
const (
	Confluent Transports = 1 << iota // librdkafka through confluent-kafka-go
	Franz                            // franz-go
)

// Has reports whether the set has t. The zero set has every transport.
func (s Transports) Has(t Transports) bool { return s == 0 || s&t != 0 }

func (s Transports) String() string {
	switch s {
	case Confluent:
		return "confluent"
	case Franz:
		return "franz"
	case 0, Confluent | Franz:
		return "all"
	}
	return fmt.Sprintf("Transports(%d)", uint8(s))
}

// transport returns the setting that chooses the transport.
func transport() kind {
	return kind{
		set: func(c *Config, v string) error {
			for _, t := range []Transports{Confluent, Franz} {
				if strings.EqualFold(v, t.String()) {
					c.Transport = t
					return nil
				}
			}
			return errors.New("must be one of confluent, franz")
		},
		value: func(c *Config) any { return c.Transport },
		check: func(c *Config) string {
			switch {
			case c.Transport != Confluent && c.Transport != Franz:
				return "must be one of confluent, franz"
			case !slices.Contains(linked(), c.Transport):
				return "librdkafka needs cgo: build with CGO_ENABLED=1 and a C compiler, or use franz"
			}
			return ""
		},
		bounds: "`confluent`, `franz`",
	}
}
