package configfile

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
)

// parseProperties reads Java properties. A line "#---" or "!---" begins a new
// document, as in Spring Boot.
func parseProperties(name, text string) ([]document, error) {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	lines := strings.Split(text, "\n")
	documents := []document{nil}
	for i := 0; i < len(lines); i++ {
		first := i + 1
		text := strings.TrimLeft(lines[i], " \t\f")
		if text == "" || text[0] == '#' || text[0] == '!' {
			if lines[i] == "#---" || lines[i] == "!---" {
				documents = append(documents, nil)
			}
			continue
		}
		for continued(text) && i+1 < len(lines) {
			i++
			text = text[:len(text)-1] + strings.TrimLeft(lines[i], " \t\f")
		}
		key, value := splitProperty(text)
		key, keyErr := unescapeProperty(key)
		value, valueErr := unescapeProperty(value)
		origin := fmt.Sprintf("%s:%d: %s", name, first, printable(key))
		if err := errors.Join(keyErr, valueErr); err != nil {
			return nil, &Error{origin, err.Error()}
		}
		last := &documents[len(documents)-1]
		*last = append(*last, line{key: key, value: strings.TrimSpace(value), origin: origin})
	}
	return documents, nil
}

// continued reports whether a line ends in an odd number of backslashes.
func continued(text string) bool {
	return (len(text)-len(strings.TrimRight(text, `\`)))%2 == 1
}

func splitProperty(text string) (key, value string) {
	i := 0
	for i < len(text) && !strings.ContainsRune("=: \t\f", rune(text[i])) {
		if text[i] == '\\' {
			i++
		}
		i++
	}
	i = min(i, len(text))
	key, value = text[:i], strings.TrimLeft(text[i:], " \t\f")
	if value != "" && (value[0] == '=' || value[0] == ':') {
		value = strings.TrimLeft(value[1:], " \t\f")
	}
	return key, value
}

func unescapeProperty(s string) (string, error) {
	if !strings.Contains(s, `\`) {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch s[i] {
		case 't':
			b.WriteByte('\t')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 'f':
			b.WriteByte('\f')
		case 'u':
			r, size, err := unicodeEscape(s[i+1:])
			if err != nil {
				return "", err
			}
			b.WriteRune(r)
			i += size
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), nil
}

// unicodeEscape reads the digits after \u. Two escapes may form a single
// character.
func unicodeEscape(s string) (r rune, size int, err error) {
	first, err := fourDigits(s)
	if err != nil {
		return 0, 0, err
	}
	if utf16.IsSurrogate(first) && strings.HasPrefix(s[4:], `\u`) {
		if second, err := fourDigits(s[6:]); err == nil {
			if pair := utf16.DecodeRune(first, second); pair != '\ufffd' {
				return pair, 10, nil
			}
		}
	}
	return first, 4, nil
}

func fourDigits(s string) (rune, error) {
	if len(s) < 4 {
		return 0, errors.New(`\u wants four hexadecimal digits`)
	}
	n, err := strconv.ParseUint(s[:4], 16, 16)
	if err != nil {
		return 0, errors.New(`\u wants four hexadecimal digits`)
	}
	return rune(n), nil
}

// printable returns a key in the form for an error. The result is short and has
// no control characters. If the file is not a settings file, a whole line may
// be a secret. So printable cuts a key that no client has ever had.
func printable(key string) string {
	const most = 100
	key = strings.Map(func(r rune) rune {
		if strconv.IsPrint(r) {
			return r
		}
		return '?'
	}, key)
	if len(key) > most {
		return strings.ToValidUTF8(key[:most], "") + "…"
	}
	return key
}
