package settings

import (
	"maps"
	"slices"
	"strings"
)

// checkText refuses text that would not reach the broker unchanged. librdkafka
// reads its settings as C strings, so a text ends before its first NUL. In most
// settings, librdkafka also removes white space at the beginning. Then two
// transactional ids could become the same id, and a right password could fail.
func (c *Config) checkText() []error {
	var errs []error
	m := c.ProducerMap()
	for _, key := range slices.Sorted(maps.Keys(m)) {
		text, ok := m[key].(string)
		if !ok || key == "bootstrap.servers" { // badBroker checks the brokers
			continue
		}
		row := c.names[key]
		if row != nil && row.check != nil && row.check(c) != "" { // check reports the setting
			continue
		}
		if strings.HasPrefix(key, "ssl.") && strings.HasSuffix(key, ".pem") && !strings.Contains(text, "-----BEGIN ") {
			continue // checkTLS reports text that is not PEM
		}
		if reason := c.textReason(key, text); reason != "" {
			origin := c.textOrigin(key)
			if !strings.HasSuffix(origin, key) {
				reason = key + " " + reason
			}
			if key != "transactional.id" && (row == nil || row.Show != Harmless) {
				text = ""
			}
			errs = append(errs, &ConfigError{origin, text, reason})
		}
	}
	return errs
}

// textReason returns the reason why the text of a setting is refused, or "".
func (c *Config) textReason(key, text string) string {
	const fix = ": use another text, or WithTransport(Franz)"
	nul := strings.ContainsRune(text, 0)
	credential := key == "sasl.username" || key == "sasl.password"
	switch {
	case nul && key == "transactional.id",
		nul && credential && c.SASL.Mechanism == "PLAIN": // NUL separates the parts of PLAIN (RFC 4616)
		return "must not contain the character NUL"
	case c.Transport != Confluent:
		return ""
	case nul:
		return "has the character NUL, and librdkafka cuts the text there" + fix
	case text != "" && strings.ContainsRune(cSpace, rune(text[0])) && !keepsSpace(key):
		return "begins with white space, and librdkafka removes the white space" + fix
	}
	return ""
}

// cSpace is the white space of C.
const cSpace = " \t\n\v\f\r"

// keepsSpace reports whether white space at the beginning of a setting is no
// problem. librdkafka keeps the white space of client.rack. In front of PEM
// text, white space has no meaning.
func keepsSpace(key string) bool { return key == "client.rack" || strings.HasSuffix(key, ".pem") }

// textOrigin returns the place where the user set a setting of librdkafka.
func (c *Config) textOrigin(key string) string {
	keys := []string{key}
	switch {
	case key == "transactional.id":
		return "transactionalID"
	case strings.HasPrefix(key, "sasl."), key == "https.ca.pem":
		keys = []string{"sasl", key, "sasl.jaas.config"}
	case strings.HasPrefix(key, "ssl."):
		keys = []string{"tls", key}
	}
	for _, k := range keys {
		if origin, ok := c.origins[k]; ok {
			return origin
		}
	}
	return key
}
