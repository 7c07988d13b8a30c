package avrosample

import (
	"fmt"
	"slices"
	"strings"
)

func (m *maker) pick(list ...string) string { return list[m.IntN(len(list))] }

func (m *maker) first() string {
	return m.pick("Ada", "Bruno", "Chioma", "Dmitri", "Elif", "Fatima", "Grace", "Hiro", "Ines", "Jonas", "Kofi", "Linh")
}

func (m *maker) last() string {
	return m.pick("Adeyemi", "Bauer", "Costa", "Diallo", "Eriksen", "Fischer", "Garcia", "Haddad", "Ito", "Jensen", "Kowalski", "Lopez")
}

// text returns a text that fits the field. An example in the doc has priority,
// then the name, and then a word of the doc.
func (m *maker) text(h hint) string {
	if text, ok := m.example(h); ok {
		return text
	}
	if text := m.byName(h.words); text != "" {
		return text
	}
	for _, word := range h.docWords() {
		if slices.Contains(describingNames, word) {
			return m.byName([]string{word})
		}
	}
	word := "sample"
	if len(h.words) > 0 {
		word = strings.Join(h.words, " ")
	}
	return fmt.Sprintf("%s %d", word, 1+m.IntN(99))
}

// describingNames lists the names that also determine the kind of text when
// they occur in a doc. Other names do not, for example "name" and "time",
// because they are ordinary words in a doc.
var describingNames = []string{ //nolint:gochecknoglobals // a constant table

	"uuid", "guid", "email", "phone", "telephone", "url", "uri", "currency", "country", "language", "locale",
	"city", "town", "street", "zip", "postcode", "hostname", "surname", "filename",
}

// byName returns a text that fits a name. The result is "" for an unknown name.
func (m *maker) byName(words []string) string {
	switch {
	case endsWithOneOf(words, "uuid", "guid"):
		return m.uuid()
	case endsWithOneOf(words, "email", "mail"):
		return fmt.Sprintf("%s.%s@example.com", strings.ToLower(m.first()), strings.ToLower(m.last()))
	case endsWithOneOf(words, "first", "firstname") || len(words) > 1 && words[len(words)-2] == "first":
		return m.first()
	case endsWithOneOf(words, "surname", "lastname") || len(words) > 1 && words[len(words)-2] == "last" && endsWithOneOf(words, "name"):
		return m.last()
	case endsWithOneOf(words, "name", "customer", "user", "author", "owner"):
		return m.first() + " " + m.last()
	case endsWithOneOf(words, "phone", "mobile", "telephone"):
		return fmt.Sprintf("+1-555-%04d", m.IntN(10_000))
	case endsWithOneOf(words, "url", "uri", "link", "href", "referrer", "referer", "page"):
		return "https://example.com/" + m.pick("orders", "items", "about", "search", "help") + fmt.Sprintf("/%d", m.IntN(1_000))
	case endsWithOneOf(words, "path"):
		return "/" + m.pick("orders", "items", "about", "search") + fmt.Sprintf("/%d", m.IntN(1_000))
	case endsWithOneOf(words, "ip", "host", "address") && slices.Contains(words, "ip"):
		return fmt.Sprintf("192.0.2.%d", 1+m.IntN(254))
	case endsWithOneOf(words, "host", "hostname", "domain"):
		return m.pick("a", "b", "web", "db") + ".example.com"
	case endsWithOneOf(words, "currency"):
		return m.pick("EUR", "USD", "GBP", "JPY", "CHF")
	case endsWithOneOf(words, "country"):
		return m.pick("DE", "FR", "BR", "NG", "JP", "US", "IN")
	case endsWithOneOf(words, "language", "locale", "lang"):
		return m.pick("en", "de", "fr", "pt-BR", "ja")
	case endsWithOneOf(words, "city", "town"):
		return m.pick("Berlin", "Lagos", "Lisbon", "Osaka", "Oslo", "Quito", "Toronto")
	case endsWithOneOf(words, "street", "address"):
		return fmt.Sprintf("%d %s", 1+m.IntN(200), m.pick("Mill Road", "High Street", "Station Road", "Park Avenue"))
	case endsWithOneOf(words, "zip", "postcode"):
		return fmt.Sprintf("%05d", m.IntN(100_000))
	case endsWithOneOf(words, "method"):
		return m.pick("GET", "POST", "PUT", "DELETE")
	case endsWithOneOf(words, "protocol"):
		return m.pick("HTTP/1.1", "HTTP/2.0")
	case endsWithOneOf(words, "file", "filename"):
		return m.pick("access", "orders", "events") + fmt.Sprintf("-%d.log", 1+m.IntN(99))
	case endsWithOneOf(words, "channel"):
		return m.pick("web", "app", "store", "phone")
	case endsWithOneOf(words, "color", "colour"):
		return m.pick("red", "green", "blue", "black", "white")
	case endsWithOneOf(words, "agent"):
		return m.pick("Mozilla/5.0 (X11; Linux x86_64)", "curl/8.9.1", "Mozilla/5.0 (iPhone)")
	case endsWithOneOf(words, "at", "time", "timestamp", "date", "datetime"):
		return m.moment().Format("2006-01-02T15:04:05Z")
	case endsWithOneOf(words, "price", "amount", "total", "cost"):
		return fmt.Sprintf("%d.%02d", m.IntN(500), m.IntN(100))
	case endsWithOneOf(words, "sku", "code", "reference", "ref", "number"):
		return fmt.Sprintf("%s-%04d", m.pick("AB", "KX", "TR", "ZN"), m.IntN(10_000))
	case endsWithOneOf(words, "id", "key"):
		prefix := "id"
		if len(words) > 1 {
			prefix = words[len(words)-2]
		}
		return fmt.Sprintf("%s-%d", prefix, 1_000+m.IntN(9_000))
	case endsWithOneOf(words, "note", "comment", "description", "message", "text", "reason", "title", "subject"):
		return m.pick("Please ring twice", "As agreed by phone", "Second attempt", "Gift wrapped", "No comment", "Ünïcode works: 日本")
	}
	return ""
}
