package compat

import (
	"fmt"
	"strings"
)

// Level is a subject's compatibility level. The names are those of schema
// registries. The zero Level is invalid, and [Check] refuses it.
type Level int

// The levels. At a BACKWARD level the new schema must read data of earlier
// versions. At a FORWARD level earlier versions must read data of the new
// schema. FULL is both. A TRANSITIVE level compares with every version, and the
// other levels compare only with the latest version.
const (
	Backward Level = iota + 1
	BackwardTransitive
	Forward
	ForwardTransitive
	Full
	FullTransitive
	None
)

// levelNames returns the names of the levels, in their order.
func levelNames() []string {
	return []string{
		"BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE", "NONE",
	}
}

// String returns the registry's name of the level, such as "BACKWARD".
func (l Level) String() string {
	if l < Backward || l > None {
		return fmt.Sprintf("Level(%d)", int(l))
	}
	return levelNames()[l-1]
}

// ParseLevel reads a registry's name of a level, in upper or lower case.
func ParseLevel(s string) (Level, error) {
	names := levelNames()
	for i, n := range names {
		if strings.EqualFold(s, n) {
			return Level(i + 1), nil
		}
	}
	return 0, fmt.Errorf("compat: no level %.40q: use one of %s", s, strings.Join(names, ", "))
}

// MarshalText returns the registry's name. An invalid Level is an error.
func (l Level) MarshalText() ([]byte, error) {
	if l < Backward || l > None {
		return nil, fmt.Errorf("compat: %v is not a level", l)
	}
	return []byte(l.String()), nil
}

// UnmarshalText is [ParseLevel]. If the text is invalid, l keeps its value.
func (l *Level) UnmarshalText(b []byte) error {
	v, err := ParseLevel(string(b))
	if err == nil {
		*l = v
	}
	return err
}

// ReadsOld reports whether the level requires that the new schema reads old
// data.
func (l Level) ReadsOld() bool {
	return l == Backward || l == BackwardTransitive || l == Full || l == FullTransitive
}

// ReadByOld reports whether the level requires that old readers read new data.
func (l Level) ReadByOld() bool {
	return l == Forward || l == ForwardTransitive || l == Full || l == FullTransitive
}

// Transitive reports whether the level compares with every version, not only
// with the latest version.
func (l Level) Transitive() bool {
	return l == BackwardTransitive || l == ForwardTransitive || l == FullTransitive
}
