package configfile

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// assembleSpring reads spring.kafka.* of a Spring Boot file. All other keys
// belong to Spring or to the application.
func assembleSpring(documents []document, env lookup) (File, error) {
	s := &spring{env: env, values: map[string]line{}}
	for _, d := range documents {
		if !s.active(d) {
			continue
		}
		for _, l := range joinLists(d) {
			name := springName(l.key)
			if _, known := s.values[name]; !known {
				s.order = append(s.order, name)
			}
			s.values[name] = l // a later document wins
		}
	}
	var f File
	var errs []error
	for _, name := range s.order {
		e, l := s.entry(name)
		if e.Key == "" {
			continue
		}
		errs = append(errs, f.add(e, l, func(value string) (string, error) {
			value, err := s.replace(value, 0)
			if err != nil {
				return "", err
			}
			return springValue(name, value)
		}))
	}
	if e, ok := s.jaas(); ok {
		errs = append(errs, f.add(e, line{}, func(value string) (string, error) { return s.replace(value, 0) }))
	}
	return f, errors.Join(errs...)
}

// spring is a Spring Boot file with its active documents merged.
type spring struct {
	env    lookup
	values map[string]line // by springName
	order  []string
}

// active reports whether a document is active. A document is active if it has
// no profile, or if one of its profiles is active.
func (s *spring) active(d document) bool {
	for _, l := range d {
		switch springName(l.key) {
		case "spring.config.activate.on-profile", "spring.profiles":
			wanted, _ := s.env("SPRING_PROFILES_ACTIVE")
			if active, ok := s.values["spring.profiles.active"]; ok && wanted == "" {
				wanted = active.value
			}
			profiles := strings.FieldsFunc(wanted, func(r rune) bool { return r == ',' || r == ' ' })
			return slices.ContainsFunc(strings.FieldsFunc(l.value, func(r rune) bool { return r == ',' || r == ' ' }), func(profile string) bool {
				if not, ok := strings.CutPrefix(profile, "!"); ok {
					return !slices.Contains(profiles, not)
				}
				return slices.Contains(profiles, profile)
			})
		}
	}
	return true
}

// joinLists joins name[0], name[1], … into a single line.
func joinLists(d document) document {
	member := regexp.MustCompile(`^(.*)\[(\d+)\]$`)
	var joined document
	at := map[string]int{}
	for _, l := range d {
		if m := member.FindStringSubmatch(l.key); m != nil {
			if i, ok := at[m[1]]; ok {
				joined[i].value += "," + l.value
				continue
			}
			at[m[1]] = len(joined)
			l.key = m[1]
		}
		joined = append(joined, l)
	}
	return joined
}

// springName returns the canonical form of a key. For example, bootstrapServers
// and bootstrap_servers become bootstrap-servers. The text after ".properties."
// is a name of Kafka and does not change.
func springName(key string) string {
	key = strings.NewReplacer(".[", ".", "[", ".", "]", "").Replace(key)
	own, kafka, isKafka := strings.Cut(key, ".properties.")
	if !isKafka {
		own, kafka, isKafka = strings.Cut(key, ".options.") // jaas options
		if isKafka {
			return kebab(own) + ".options." + kafka
		}
		return kebab(key)
	}
	return kebab(own) + ".properties." + kafka
}

func kebab(key string) string {
	var b strings.Builder
	for i, r := range key {
		switch {
		case r == '_':
			r = '-'
		case unicode.IsUpper(r):
			if i > 0 && key[i-1] != '.' && key[i-1] != '-' && !unicode.IsUpper(rune(key[i-1])) {
				b.WriteByte('-')
			}
			r = unicode.ToLower(r)
		}
		b.WriteRune(r)
	}
	return b.String()
}

// entry translates a Spring key. If the key belongs to another part of Spring
// or to the application, the entry's Key is empty.
func (s *spring) entry(name string) (Entry, line) {
	l := s.values[name]
	e := Entry{Key: l.key, Value: l.value, Origin: l.origin}
	rest, ok := strings.CutPrefix(name, "spring.kafka.")
	if !ok {
		if strings.HasPrefix(l.key, "avroline.") {
			e.owner = OwnerOf(l.key)
			return e, l
		}
		return Entry{}, l
	}
	section, inner, _ := strings.Cut(rest, ".")
	switch section {
	case "producer":
		e.client, rest = producerClient, inner
	case "consumer":
		e.client, rest = consumerClient, inner
	case "admin", "streams", "listener", "template", "retry", "jaas":
		e.owner = Elsewhere
		return e, l
	}
	if key, ok := strings.CutPrefix(rest, "properties."); ok {
		e.Key, e.owner = key, OwnerOf(key)
		if javaClasses(key) {
			e.owner = Elsewhere
		}
		return e, l
	}
	key, known := springKeys()[rest]
	switch {
	case !known:
		return e, l // the owner is Nobody
	case key == "":
		e.owner = Elsewhere
	default:
		e.Key, e.owner = key, OwnerOf(key)
	}
	return e, l
}

// springKeys translates Spring's own names under spring.kafka and its sections
// producer and consumer. An empty name means that no package of this module
// reads the key.
func springKeys() map[string]string {
	return map[string]string{
		"bootstrap-servers": "bootstrap.servers", "client-id": "client.id", "security.protocol": "security.protocol",
		"ssl.key-password": "ssl.key.password", "ssl.key-store-certificate-chain": "ssl.keystore.certificate.chain", "ssl.key-store-key": "ssl.keystore.key",
		"ssl.key-store-location": "ssl.keystore.location", "ssl.key-store-password": "ssl.keystore.password", "ssl.key-store-type": "ssl.keystore.type",
		"ssl.trust-store-certificates": "ssl.truststore.certificates", "ssl.trust-store-location": "ssl.truststore.location",
		"ssl.trust-store-password": "ssl.truststore.password", "ssl.trust-store-type": "ssl.truststore.type", "ssl.protocol": "ssl.protocol",

		"acks": "acks", "batch-size": "batch.size", "buffer-memory": "buffer.memory", "compression-type": "compression.type", "retries": "retries",
		"key-serializer": "key.serializer", "value-serializer": "value.serializer", "transaction-id-prefix": "",

		"auto-commit-interval": "auto.commit.interval.ms", "auto-offset-reset": "auto.offset.reset", "enable-auto-commit": "enable.auto.commit",
		"fetch-max-wait": "fetch.max.wait.ms", "fetch-min-size": "fetch.min.bytes", "group-id": "", "heartbeat-interval": "heartbeat.interval.ms",
		"isolation-level": "isolation.level", "max-poll-records": "max.poll.records", "max-poll-interval": "max.poll.interval.ms",
		"key-deserializer": "key.deserializer", "value-deserializer": "value.deserializer",
	}
}

// replace replaces Spring's placeholders ${name:default}. The values come from
// the file and from the environment.
func (s *spring) replace(value string, depth int) (string, error) {
	if depth > maxDepth {
		return "", errors.New("its placeholders refer to each other")
	}
	return expand(value, func(inner string) (string, bool, error) {
		name, fallback, hasFallback := strings.Cut(inner, ":")
		name = strings.TrimSpace(name)
		for _, variable := range []string{name, strings.ToUpper(strings.NewReplacer(".", "_", "-", "").Replace(name))} {
			if v, ok := s.env(variable); ok {
				return v, true, nil
			}
		}
		if l, ok := s.values[springName(name)]; ok {
			v, err := s.replace(l.value, depth+1)
			return v, true, err
		}
		if !hasFallback {
			return "", true, fmt.Errorf("neither the environment nor the file has %s, and the placeholder has no default", printable(name))
		}
		v, err := s.replace(fallback, depth+1)
		return v, true, err
	})
}

// jaas makes sasl.jaas.config from spring.kafka.jaas.
func (s *spring) jaas() (Entry, bool) {
	const prefix = "spring.kafka.jaas."
	enabled := s.values[prefix+"enabled"]
	if !strings.EqualFold(enabled.value, "true") {
		return Entry{}, false
	}
	module, flag := s.values[prefix+"login-module"].value, s.values[prefix+"control-flag"].value
	if module == "" {
		module = "com.sun.security.auth.module.Krb5LoginModule" // Spring's default
	}
	if flag == "" {
		flag = "required"
	}
	text := module + " " + flag
	for _, name := range slices.Sorted(maps.Keys(s.values)) {
		if option, ok := strings.CutPrefix(name, prefix+"options."); ok {
			text += " " + option + `="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s.values[name].value) + `"`
		}
	}
	return Entry{Key: "sasl.jaas.config", Value: text + ";", Origin: enabled.origin, owner: Producer}, true
}

// springValue converts a value of Spring's own names to Kafka's form. Sizes
// become bytes, times become milliseconds, and files lose "file:".
func springValue(name, value string) (string, error) {
	if strings.Contains(name, ".properties.") {
		return value, nil
	}
	switch name = name[strings.LastIndexByte(name, '.')+1:]; name {
	case "batch-size", "buffer-memory", "fetch-min-size":
		return springSize(value)
	case "auto-commit-interval", "fetch-max-wait", "heartbeat-interval", "max-poll-interval":
		return springTime(value)
	case "key-store-location", "trust-store-location":
		if strings.HasPrefix(value, "classpath:") {
			return "", errors.New("classpath: names a file inside a Java archive: name a file of the file system")
		}
		if path, ok := strings.CutPrefix(value, "file:"); ok {
			if strings.HasPrefix(path, "//") {
				path = "/" + strings.TrimLeft(path, "/")
			}
			return path, nil
		}
	}
	return value, nil
}

func springSize(value string) (string, error) {
	digits := strings.TrimRightFunc(value, unicode.IsLetter)
	unit, ok := map[string]int64{"": 1, "B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}[strings.ToUpper(value[len(digits):])]
	n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
	if !ok || err != nil || n < 0 || n > 1<<40 {
		return "", errors.New("must be a size, for example 16384 or 16KB")
	}
	return strconv.FormatInt(n*unit, 10), nil
}

func springTime(value string) (string, error) {
	if _, err := strconv.Atoi(value); err == nil {
		return value, nil // already milliseconds
	}
	text := strings.ToLower(value)
	if iso, ok := strings.CutPrefix(text, "pt"); ok {
		text = iso
	}
	d, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n int
		if n, err = strconv.Atoi(days); err == nil {
			d = time.Duration(n) * 24 * time.Hour
		}
	}
	if err != nil || d < 0 {
		return "", errors.New("must be a time, for example 500ms, 10s or PT10S")
	}
	return strconv.FormatInt(d.Milliseconds(), 10), nil
}
