package jsonata

import (
	"encoding/base64"
	"errors"
	"math"
	"net/url"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	// searchedPerWork is the number of bytes of a searched text that count as a
	// unit of work.
	searchedPerWork = 512
	// matchedPerWork is the same for a regular expression, multiplied by the
	// instructions of the compiled expression.
	matchedPerWork = 256
)

// matcher finds the matches of a pattern in a string.
type matcher func(s string) [][]int

// regexFunction returns the function of a regular expression. A call with a
// string returns the first match.
func regexFunction(re *regexp.Regexp, size int) *function {
	f := &function{params: 1, matchSize: size, match: func(s string) [][]int { return re.FindAllStringSubmatchIndex(s, -1) }}
	f.call = func(ev *evaluation, args []any, _ any) (any, error) {
		if len(args) == 0 {
			return undefined{}, nil
		}
		s, ok := args[0].(string)
		if !ok {
			return undefined{}, nil
		}
		if err := ev.spend(len(s) * size / matchedPerWork); err != nil {
			return nil, err
		}
		m := re.FindStringSubmatchIndex(s)
		if m == nil {
			return undefined{}, nil
		}
		out := newObject()
		out.set("match", s[m[0]:m[1]])
		out.set("start", int64(utf8.RuneCountInString(s[:m[0]])))
		out.set("end", int64(utf8.RuneCountInString(s[:m[1]])))
		out.set("groups", groups(s, m))
		return out, nil
	}
	return f
}

// instructions returns the size of a compiled regular expression. A match takes
// at most the time of all instructions for each character.
func instructions(re *regexp.Regexp) int {
	parsed, err := syntax.Parse(re.String(), syntax.Perl)
	if err != nil {
		return 1 // cannot be, because re is compiled
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return 1
	}
	return len(program.Inst)
}

func groups(s string, m []int) *array {
	out := &array{}
	for i := 2; i < len(m); i += 2 {
		if m[i] < 0 {
			out.items = append(out.items, "")
			continue
		}
		out.items = append(out.items, s[m[i]:m[i+1]])
	}
	return out
}

// matches returns the matches of a string or of a regular expression.
func (ev *evaluation) matches(s string, pattern any) ([][]int, error) {
	if err := ev.spend(1 + len(s)/8); err != nil {
		return nil, err
	}
	switch p := pattern.(type) {
	case string:
		var out [][]int
		for at := 0; p != ""; {
			i := strings.Index(s[at:], p)
			if i < 0 {
				break
			}
			out = append(out, []int{at + i, at + i + len(p)})
			at += i + len(p)
		}
		return out, nil
	case *function:
		if p.match != nil {
			if err := ev.spend(len(s) * p.matchSize / matchedPerWork); err != nil {
				return nil, err
			}
			return p.match(s), nil
		}
	}
	return nil, failf("a pattern must be a string or a regular expression")
}

func stringOf(ev *evaluation, args []any) (any, error) {
	if isUndefined(args[0]) {
		return undefined{}, nil
	}
	s, err := ev.text(args[0])
	if err != nil {
		return nil, err
	}
	if boolean(args[1]) {
		return nil, failf("$string with indentation is not supported")
	}
	return s, ev.spend(1 + len(s)/8)
}

func substring(ev *evaluation, args []any) (any, error) {
	s, ok := args[0].(string)
	if !ok {
		return undefined{}, nil
	}
	if err := ev.spend(len(s) / searchedPerWork); err != nil {
		return nil, err
	}
	n := float64(utf8.RuneCountInString(s))
	from, _ := number(args[1])
	from = math.Trunc(from)
	if from < 0 {
		from = math.Max(0, n+from)
	}
	to := n
	if length, ok := number(args[2]); ok {
		if length <= 0 {
			return "", nil
		}
		to = math.Trunc(from + length)
	}
	from, to = math.Min(from, n), math.Min(to, n)
	s = s[offset(s, int(from)):]
	return s[:offset(s, int(math.Max(0, to-from)))], nil
}

// offset returns the byte offset of the character n of s.
func offset(s string, n int) int {
	for i := range s {
		if n == 0 {
			return i
		}
		n--
	}
	return len(s)
}

// substringBy returns a function that returns a part of a string, before or
// after another string. If the other string does not occur, the result is the
// whole string.
func substringBy(part func(s string, i, n int) string) implementation {
	return func(ev *evaluation, args []any) (any, error) {
		s, ok := args[0].(string)
		if !ok {
			return undefined{}, nil
		}
		if err := ev.spend(len(s) / searchedPerWork); err != nil {
			return nil, err
		}
		mark, ok := args[1].(string)
		if i := strings.Index(s, mark); ok && i >= 0 {
			return part(s, i, len(mark)), nil
		}
		return s, nil // also without a mark
	}
}

func pad(ev *evaluation, args []any) (any, error) {
	s, ok := args[0].(string)
	if !ok {
		return undefined{}, nil
	}
	f, _ := number(args[1])
	with, ok := args[2].(string)
	if !ok || with == "" {
		with = " "
	}
	missing := math.Abs(f) - float64(utf8.RuneCountInString(s))
	if missing <= 0 {
		return s, nil
	}
	if missing > maxRange {
		return nil, ErrLimit
	}
	if err := ev.spend(int(missing)); err != nil {
		return nil, err
	}
	fill := []rune(strings.Repeat(with, int(missing)/utf8.RuneCountInString(with)+1))[:int(missing)]
	if f < 0 {
		return string(fill) + s, nil
	}
	return s + string(fill), nil
}

func contains(ev *evaluation, args []any) (any, error) {
	s, ok := args[0].(string)
	if !ok {
		return undefined{}, nil
	}
	if p, ok := args[1].(string); ok {
		if err := ev.spend(len(s) / searchedPerWork); err != nil {
			return nil, err
		}
		return strings.Contains(s, p), nil
	}
	m, err := ev.matches(s, args[1])
	return len(m) > 0, err
}

// limit returns the optional number of matches. -1 means all matches.
func limit(v any) (int, error) {
	f, ok := number(v)
	if !ok {
		return -1, nil
	}
	if f < 0 {
		return 0, failf("a limit must not be negative")
	}
	return int(math.Min(f, maxRange)), nil
}

func match(ev *evaluation, args []any) (any, error) {
	s, ok := args[0].(string)
	if !ok {
		return undefined{}, nil
	}
	most, err := limit(args[2])
	if err != nil {
		return nil, err
	}
	found, err := ev.matches(s, args[1])
	if err != nil {
		return nil, err
	}
	out := newSequence()
	for i, m := range found {
		if most >= 0 && i >= most {
			break
		}
		o := newObject()
		o.set("match", s[m[0]:m[1]])
		o.set("index", int64(utf8.RuneCountInString(s[:m[0]])))
		o.set("groups", groups(s, m))
		out.items = append(out.items, o)
	}
	return out, nil
}

func replace(ev *evaluation, args []any) (any, error) {
	s, ok := args[0].(string)
	if !ok {
		return undefined{}, nil
	}
	if args[1] == "" {
		return nil, failf("the pattern of $replace must not be empty")
	}
	most, err := limit(args[3])
	if err != nil {
		return nil, err
	}
	found, err := ev.matches(s, args[1])
	if err != nil {
		return nil, err
	}
	_, literal := args[1].(string)
	var b strings.Builder
	at := 0
	for i, m := range found {
		if most >= 0 && i >= most {
			break
		}
		if m[0] == m[1] {
			return nil, failf("the pattern of $replace matches the empty string")
		}
		b.WriteString(s[at:m[0]])
		switch with := args[2].(type) {
		case string:
			if literal {
				b.WriteString(with)
			} else {
				part, err := ev.expand(with, s, m)
				if err != nil {
					return nil, err
				}
				b.WriteString(part)
			}
		case *function:
			o := newObject()
			o.set("match", s[m[0]:m[1]])
			o.set("start", int64(utf8.RuneCountInString(s[:m[0]])))
			o.set("end", int64(utf8.RuneCountInString(s[:m[1]])))
			o.set("groups", groups(s, m))
			v, err := ev.callback(with, o)
			if err != nil {
				return nil, err
			}
			part, ok := v.(string)
			if !ok {
				return nil, failf("the function of $replace must return a string")
			}
			b.WriteString(part)
		}
		at = m[1]
		if err := ev.spend(1 + b.Len()/64); err != nil {
			return nil, err
		}
	}
	b.WriteString(s[at:])
	return b.String(), nil
}

// expand replaces $1, $2 and so on by the groups of a match. "$$" is a dollar.
func (ev *evaluation) expand(with, s string, m []int) (string, error) {
	var b strings.Builder
	for i := 0; i < len(with); i++ {
		if with[i] != '$' || i+1 == len(with) {
			b.WriteByte(with[i])
			continue
		}
		if with[i+1] == '$' {
			b.WriteByte('$')
			i++
			continue
		}
		end := i + 1
		for end < len(with) && end-i <= 3 && with[end] >= '0' && with[end] <= '9' {
			end++
		}
		// Use the longest number that is the number of a group.
		n := -1
		for ; end > i+1; end-- {
			if n, _ = strconv.Atoi(with[i+1 : end]); n < len(m)/2 || end == i+2 {
				break
			}
		}
		if end == i+1 {
			b.WriteByte('$')
			continue
		}
		if n < len(m)/2 && m[2*n] >= 0 {
			b.WriteString(s[m[2*n]:m[2*n+1]])
			if b.Len() > (maxWork-ev.work)*bytesPerWork {
				return "", ErrLimit
			}
		}
		i = end - 1
	}
	return b.String(), nil
}

func split(ev *evaluation, args []any) (any, error) {
	s, ok := args[0].(string)
	if !ok {
		return undefined{}, nil
	}
	most, err := limit(args[2])
	if err != nil {
		return nil, err
	}
	var parts []string
	if args[1] == "" {
		parts = strings.Split(s, "")
	} else {
		found, err := ev.matches(s, args[1])
		if err != nil {
			return nil, err
		}
		at := 0
		for _, m := range found {
			parts = append(parts, s[at:m[0]])
			at = m[1]
		}
		parts = append(parts, s[at:])
	}
	out := &array{}
	for i, p := range parts {
		if most >= 0 && i >= most {
			break
		}
		out.items = append(out.items, p)
	}
	return out, ev.spend(len(parts))
}

func join(ev *evaluation, args []any) (any, error) {
	a, ok := args[0].(*array)
	if !ok {
		return undefined{}, nil
	}
	with, _ := args[1].(string)
	parts := make([]string, len(a.items))
	size := 0
	for i, v := range a.items {
		parts[i] = v.(string)
		size += len(parts[i]) + len(with)
	}
	if err := ev.spend(1 + size/8); err != nil {
		return nil, err
	}
	return strings.Join(parts, with), nil
}

func formatBase(_ *evaluation, args []any) (any, error) {
	f, ok := number(args[0])
	if !ok {
		return undefined{}, nil
	}
	base := 10.0
	if b, ok := number(args[1]); ok {
		base = math.RoundToEven(b)
	}
	if base < 2 || base > 36 || math.Abs(f) > 1<<62 {
		return nil, failf("the base of $formatBase must be between 2 and 36")
	}
	return strconv.FormatInt(int64(math.RoundToEven(f)), int(base)), nil
}

// formatNumber supports a picture of digits, a group separator and a fraction.
func formatNumber(_ *evaluation, args []any) (any, error) {
	f, ok := number(args[0])
	if !ok {
		return undefined{}, nil
	}
	picture, _ := args[1].(string)
	if m := regexp.MustCompile(`^(#*(?:,#+)*#*0*(?:,0+)*0*|[#,]*[0,]*)(?:\.(0*)(#*))?$`).FindStringSubmatch(picture); m != nil && isUndefined(args[2]) && picture != "" {
		least, most := len(m[2]), len(m[2])+len(m[3])
		group := 0
		if i := strings.LastIndexByte(m[1], ','); i >= 0 {
			group = len(m[1]) - i - 1
		}
		s := strconv.FormatFloat(math.Abs(f), 'f', most, 64)
		whole, fraction, _ := strings.Cut(s, ".")
		for len(fraction) > least && strings.HasSuffix(fraction, "0") {
			fraction = fraction[:len(fraction)-1]
		}
		digits := strings.Count(m[1], "0")
		if whole == "0" && digits == 0 && fraction != "" {
			whole = ""
		}
		for len(whole) < digits {
			whole = "0" + whole
		}
		if group > 0 {
			for i := len(whole) - group; i > 0; i -= group {
				whole = whole[:i] + "," + whole[i:]
			}
		}
		if fraction != "" {
			whole += "." + fraction
		}
		if f < 0 {
			whole = "-" + whole
		}
		return whole, nil
	}
	return nil, failf("this picture of $formatNumber is not supported")
}

func toNumber(_ *evaluation, args []any) (any, error) {
	switch v := args[0].(type) {
	case bool:
		if v {
			return int64(1), nil
		}
		return int64(0), nil
	case int64, float64:
		return v, nil
	case string:
		if regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([Ee][-+]?[0-9]+)?$`).MatchString(v) {
			if n, ok := parseNumber(v); ok {
				return n, nil
			}
		}
		if m := regexp.MustCompile(`^0([xX][0-9A-Fa-f]+|[oO][0-7]+|[bB][01]+)$`).FindString(v); m != "" {
			if n, err := strconv.ParseInt(m, 0, 64); err == nil {
				return n, nil
			}
		}
		return nil, failf("$number got a string that is not a number")
	}
	return undefined{}, nil
}

// round rounds to a number of digits after the point. Halves are rounded to
// even.
func round(_ *evaluation, args []any) (any, error) {
	f, ok := number(args[0])
	if !ok {
		return undefined{}, nil
	}
	digits, _ := number(args[1])
	if v, ok := args[0].(int64); ok && digits >= 0 {
		return v, nil
	}
	if digits == 0 {
		return finite(math.RoundToEven(f))
	}
	if math.Abs(digits) > 300 {
		return nil, failf("the precision of $round is out of range")
	}
	// The decimal text avoids the error of a binary scaling.
	shifted, err := strconv.ParseFloat(strconv.FormatFloat(f, 'e', -1, 64), 64)
	if err != nil {
		return nil, failf("$round: %w", errors.Unwrap(err))
	}
	scaled := shiftDecimal(shifted, int(digits))
	return finite(shiftDecimal(math.RoundToEven(scaled), -int(digits)))
}

// shiftDecimal multiplies by a power of ten in decimal.
func shiftDecimal(f float64, by int) float64 {
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'e', -1, 64), "e")
	e, _ := strconv.Atoi(exponent)
	out, _ := strconv.ParseFloat(mantissa+"e"+strconv.Itoa(e+by), 64)
	return out
}

func absolute(_ *evaluation, args []any) (any, error) {
	switch v := args[0].(type) {
	case int64:
		if v < 0 {
			return negate(v), nil
		}
		return v, nil
	case float64:
		return math.Abs(v), nil
	}
	return undefined{}, nil
}

func power2(_ *evaluation, args []any) (any, error) {
	x, ok := number(args[0])
	y, also := number(args[1])
	if !ok || !also {
		return undefined{}, nil
	}
	return finite(math.Pow(x, y))
}

func base64Encode(s string) (any, error) { return base64.StdEncoding.EncodeToString([]byte(s)), nil }

func base64Decode(s string) (any, error) {
	out, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return nil, failf("$base64decode got a string that is not base64")
	}
	return string(out), nil
}

// encodeURL escapes all bytes except unreserved characters and the characters
// in keep.
func encodeURL(s, keep string) string {
	const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!~*'()"
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if strings.IndexByte(unreserved, c) >= 0 || strings.IndexByte(keep, c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'%', digits[c>>4], digits[c&15]})
	}
	return b.String()
}

func decodeURL(s string) (any, error) {
	out, err := url.PathUnescape(s)
	if err != nil {
		return nil, failf("the URL is not encoded")
	}
	return out, nil
}

// isoMillis is the time format of $now and $fromMillis.
const isoMillis = "2006-01-02T15:04:05.000Z"

func fromMillis(_ *evaluation, args []any) (any, error) {
	f, ok := number(args[0])
	if !ok {
		return undefined{}, nil
	}
	if math.Abs(f) > 8.64e15 {
		return nil, failf("$fromMillis got a time out of range")
	}
	return time.UnixMilli(int64(f)).UTC().Format(isoMillis), nil
}

func toMillis(_ *evaluation, args []any) (any, error) {
	s, ok := args[0].(string)
	if !ok {
		return undefined{}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05", "2006-01-02", "2006-01", "2006"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UnixMilli(), nil
		}
	}
	return nil, failf("$toMillis got a text that is not a time of ISO 8601")
}
