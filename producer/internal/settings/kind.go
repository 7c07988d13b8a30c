package settings

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// text is any text.
func text(at func(*Config) *string) kind {
	return kind{
		set:    func(c *Config, v string) error { *at(c) = v; return nil },
		value:  func(c *Config) any { return *at(c) },
		client: func(c *Config) any { return *at(c) },
	}
}

// whole makes a kind for integers from least to most.
func whole(at func(*Config) *int, least, most int) kind {
	return kind{
		set: func(c *Config, v string) error {
			n, err := parseWhole(v)
			if err != nil {
				return fmt.Errorf("must be a whole number from %d to %d", least, most)
			}
			*at(c) = n
			return nil
		},
		value: func(c *Config) any { return *at(c) },
		check: func(c *Config) string {
			if v := *at(c); v < least || v > most {
				return fmt.Sprintf("must be from %d to %d", least, most)
			}
			return ""
		},
		client: func(c *Config) any { return *at(c) },
		bounds: fmt.Sprintf("%s to %s", thousands(int64(least)), thousands(int64(most))),
	}
}

func parseWhole(v string) (int, error) {
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < math.MinInt32 || n > math.MaxInt32 {
		return 0, errors.New("must be a whole number of 32 bits")
	}
	return int(n), nil
}

// milliseconds makes a kind for durations from least to most. In a file, the
// value is a number of milliseconds, with fractions.
func milliseconds(at func(*Config) *time.Duration, least, most time.Duration) kind {
	return kind{
		set: func(c *Config, v string) error {
			n, err := strconv.ParseFloat(v, 64)
			if err != nil || math.IsNaN(n) {
				return fmt.Errorf("must be a number of milliseconds from %d to %d", least.Milliseconds(), most.Milliseconds())
			}
			if math.Abs(n) > math.MaxInt32 { // as with librdkafka
				return fmt.Errorf("must be from %v to %v", least, most)
			}
			*at(c) = time.Duration(n * float64(time.Millisecond))
			return nil
		},
		value: func(c *Config) any { return *at(c) },
		check: func(c *Config) string {
			if d := *at(c); d < least || d > most {
				return fmt.Sprintf("must be from %v to %v", least, most)
			}
			return ""
		},
		client: func(c *Config) any { return millis(*at(c)) },
		bounds: fmt.Sprintf("%s to %s ms", thousands(least.Milliseconds()), thousands(most.Milliseconds())),
	}
}

// boolean makes a kind for true and false.
func boolean(at func(*Config) *bool) kind {
	return kind{
		set: func(c *Config, v string) error {
			b, err := parseBool(v)
			if err == nil {
				*at(c) = b
			}
			return err
		},
		value:  func(c *Config) any { return *at(c) },
		bounds: "`true`, `false`",
	}
}

// parseBool reads the values that librdkafka and Java accept. Upper and lower
// case do not matter.
func parseBool(v string) (bool, error) {
	b, err := strconv.ParseBool(strings.ToLower(v))
	if err != nil {
		return false, errors.New("must be true or false")
	}
	return b, nil
}

// parsed makes a kind with a separate parse function.
func parsed(set func(*Config, string) error, bounds string) kind {
	return kind{set: set, bounds: bounds}
}

// covering makes a kind whose texts also set the settings of other rows.
func covering(k kind, keys ...string) kind {
	k.covers = func(string) []string { return keys }
	return k
}

// passedWhole, passedBoolean, passedOneOf, passedList and passedText are kinds
// of values that go to the client library unchanged. They check that the
// library accepts the value.

func passedWhole(to passedTo, least, most int) kind {
	return kind{passed: to, bounds: fmt.Sprintf("%s to %s", thousands(int64(least)), thousands(int64(most))), set: func(_ *Config, v string) error {
		if n, err := strconv.ParseInt(v, 10, 64); err != nil || n < int64(least) || n > int64(most) {
			return fmt.Errorf("must be a whole number from %d to %d", least, most)
		}
		return nil
	}}
}

func passedBoolean(to passedTo) kind {
	return kind{passed: to, bounds: "`true`, `false`", set: func(_ *Config, v string) error {
		_, err := parseBool(v)
		return err
	}, canonical: func(v string) string {
		b, _ := parseBool(v)
		return strconv.FormatBool(b)
	}}
}

func passedOneOf(to passedTo, values ...string) kind {
	find := func(v string) int {
		return slices.IndexFunc(values, func(one string) bool { return strings.EqualFold(one, v) })
	}
	return kind{passed: to, bounds: quoted(values), set: func(_ *Config, v string) error {
		if find(v) < 0 {
			return fmt.Errorf("must be one of %s", strings.Join(values, ", "))
		}
		return nil
	}, canonical: func(v string) string { return values[find(v)] }}
}

// passedList makes a kind for lists with commas. Each member may begin with a
// minus sign.
func passedList(to passedTo, values ...string) kind {
	return kind{passed: to, bounds: quoted(values), set: func(_ *Config, v string) error {
		for part := range strings.SplitSeq(v, ",") {
			if part = strings.TrimSpace(part); !slices.Contains(values, strings.ToLower(strings.TrimPrefix(part, "-"))) {
				return fmt.Errorf("must be a list, with commas, of %s", strings.Join(values, ", "))
			}
		}
		return nil
	}}
}

func passedText(to passedTo) kind {
	return kind{passed: to, set: func(_ *Config, v string) error {
		if strings.ContainsRune(v, 0) {
			return errors.New("must not contain the character NUL")
		}
		return nil
	}}
}

func quoted(values []string) string { return "`" + strings.Join(values, "`, `") + "`" }

// thousands writes a number with commas.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
