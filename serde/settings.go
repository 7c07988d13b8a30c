package serde

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/avroline/avroline/internal/configfile"
)

// settingsOption reads the settings of Confluent's serializers.
type settingsOption struct {
	name    string // of the option, for errors
	entries func() ([]configfile.Entry, error)
}

// WithConfig reads the settings of Confluent's Java serializers and
// deserializers from a map:
//
//	auto.register.schemas        true: AutoRegister
//	                             false: LookupOnly, or one of the next three
//	use.schema.id                UseID, for values
//	use.latest.with.metadata     UseLatestWithMetadata: "major=1,app=x"
//	use.latest.version           UseLatest
//	normalize.schemas            Normalize
//	value.subject.name.strategy  see below; key.subject.name.strategy likewise
//	value.schema.id.serializer   HeaderSchemaIdSerializer: IDInHeader
//	                             PrefixSchemaIdSerializer: IDInPrefix
//	key.schema.id.serializer     likewise
//
// A strategy is TopicNameStrategy, RecordNameStrategy, TopicRecordNameStrategy
// or AssociatedNameStrategy, with or without its Java package.
// AssociatedNameStrategy also reads subject.name.strategy.kafka.cluster.id and
// subject.name.strategy.fallback.type.
//
// As in Java, auto.register.schemas is true by default, and the other modes
// have an effect only if auto.register.schemas is false.
// A deserializer reads as the version of use.latest.with.metadata or
// use.latest.version, whatever auto.register.schemas is.
// latest.compatibility.strict and id.compatibility.strict have no effect,
// because a record is always checked against the registered schema.
// validation.rules.execution must be DISABLED, and context.name.strategy must
// be NullContextNameStrategy. These are Java's defaults. WithConfig ignores
// settings that only the producer, the registry client or Java uses. For an
// invalid value, the error names the key.
func WithConfig(settings map[string]string) CommonOption {
	settings = maps.Clone(settings)
	return settingsOption{"WithConfig", func() ([]configfile.Entry, error) {
		var entries []configfile.Entry
		for _, key := range slices.Sorted(maps.Keys(settings)) {
			if configfile.OwnerOf(key) == configfile.Serde {
				entries = append(entries, configfile.Entry{Key: key, Value: strings.TrimSpace(settings[key]), Origin: key})
			}
		}
		return entries, nil
	}}
}

// WithConfigFile is [WithConfig] with a file. The producer and the registry
// client may read the same file. The file may be Java properties, YAML, JSON, a
// Spring Boot application file or a Kafka Connect worker file.
func WithConfigFile(path string) CommonOption {
	return settingsOption{"WithConfigFile", func() ([]configfile.Entry, error) {
		f, err := configfile.Read(path)
		if err != nil {
			return nil, err
		}
		return f.For(configfile.Serde)
	}}
}

// WithEnviron is [WithConfig] with the environment variables that begin with
// prefix. With the prefix "KAFKA_", KAFKA_AUTO_REGISTER_SCHEMAS is
// auto.register.schemas.
func WithEnviron(prefix string) CommonOption {
	return settingsOption{"WithEnviron", func() ([]configfile.Entry, error) {
		return configfile.Environ(prefix, os.Environ()).For(configfile.Serde)
	}}
}

func (o settingsOption) applyToSerializer(c *config) {
	s, err := o.read()
	if err == nil {
		err = s.apply(c)
	}
	if err != nil {
		c.fail(fmt.Errorf("serde: %s: %w", o.name, err))
	}
}

func (o settingsOption) applyToDeserializer(src *source) error {
	s, err := o.read()
	if err == nil {
		err = s.applyCommon(&src.common)
	}
	if err == nil {
		err = s.applyPin(src)
	}
	if err != nil {
		return fmt.Errorf("serde: %s: %w", o.name, err)
	}
	return nil
}

// settings are the entries by key. If a key appears twice, the last entry
// counts.
type settings map[string]configfile.Entry

func (o settingsOption) read() (settings, error) {
	entries, err := o.entries()
	if err != nil {
		return nil, err
	}
	s := settings{}
	for _, e := range entries {
		s[e.Key] = e
	}
	return s, nil
}

// bool reads a setting that is true or false.
func (s settings) bool(key string, otherwise bool) (bool, error) {
	e, ok := s[key]
	switch {
	case !ok || e.Value == "":
		return otherwise, nil
	case strings.EqualFold(e.Value, "true"):
		return true, nil
	case strings.EqualFold(e.Value, "false"):
		return false, nil
	}
	return otherwise, settingError(e, "it must be true or false")
}

func settingError(e configfile.Entry, reason string) error {
	return &configfile.Error{Origin: e.Origin, Reason: reason}
}

// apply applies the settings to c. A missing setting changes nothing.
func (s settings) apply(c *config) error {
	if err := s.applyCommon(&c.common); err != nil {
		return err
	}
	if err := s.applyMode(c); err != nil {
		return err
	}
	normalize, err := s.bool("normalize.schemas", c.normalize)
	if err != nil {
		return err
	}
	c.normalize = normalize
	for part, key := range map[Part]string{Value: "value.schema.id.serializer", Key: "key.schema.id.serializer"} {
		e, ok := s[key]
		if !ok || e.Value == "" {
			continue
		}
		switch className(e.Value) {
		case "HeaderSchemaIdSerializer":
			c.inHeader[part] = true
		case "PrefixSchemaIdSerializer":
			c.inHeader[part] = false
		default:
			return settingError(e, "it must be HeaderSchemaIdSerializer or PrefixSchemaIdSerializer")
		}
	}
	return nil
}

// applyMode sets the mode, in the same order of precedence as Java's
// serializer.
func (s settings) applyMode(c *config) error {
	register, err := s.bool("auto.register.schemas", true)
	if err != nil {
		return err
	}
	latest, err := s.bool("use.latest.version", false)
	if err != nil {
		return err
	}
	id, err := s.schemaID()
	if err != nil {
		return err
	}
	properties, err := s.metadata()
	if err != nil {
		return err
	}
	if c.modeSet { // an option in Go takes precedence
		return nil
	}
	_, told := s["auto.register.schemas"]
	c.valueID = nil
	switch {
	case register && told:
		c.mode = autoRegister
	case register: // the default, also in this package
	case len(properties) > 0:
		c.mode, c.metadata = useLatestWithMetadata, properties
	case latest:
		c.mode = useLatest
	default:
		c.mode = lookupOnly
	}
	if !register && id >= 0 {
		c.valueID = &id
	}
	return nil
}

// applyPin sets the version that a deserializer reads as. An option in Go takes
// precedence. As in Java, auto.register.schemas has no effect here.
func (s settings) applyPin(src *source) error {
	latest, err := s.bool("use.latest.version", false)
	if err != nil {
		return err
	}
	properties, err := s.metadata()
	if err != nil || src.pin != nil {
		return err
	}
	switch {
	case len(properties) > 0:
		src.pin = &pin{pinOption: pinOption{useLatestWithMetadata, properties}, settings: true}
	case latest:
		src.pin = &pin{pinOption: pinOption{mode: useLatest}, settings: true}
	}
	return nil
}

// schemaID returns use.schema.id. It returns -1 if there is none, as in Java.
func (s settings) schemaID() (int, error) {
	e, ok := s["use.schema.id"]
	if !ok || e.Value == "" {
		return -1, nil
	}
	id, err := strconv.ParseInt(e.Value, 10, 32)
	if err != nil || id < -1 {
		return -1, settingError(e, "it must be a schema id, or -1 for none")
	}
	return int(id), nil
}

func (s settings) metadata() (map[string]string, error) {
	e, ok := s["use.latest.with.metadata"]
	if !ok || e.Value == "" {
		return nil, nil
	}
	properties := map[string]string{}
	for pair := range strings.SplitSeq(e.Value, ",") {
		name, value, ok := strings.Cut(pair, "=")
		if name = strings.TrimSpace(name); !ok || name == "" {
			return nil, settingError(e, "it must be a list of properties: name=value,name=value")
		}
		properties[name] = strings.TrimSpace(value)
	}
	return properties, nil
}

// applyCommon sets the subject strategies.
func (s settings) applyCommon(c *common) error {
	// A record that breaks an inline rule must not pass silently.
	if e := s["validation.rules.execution"]; e.Value != "" && !strings.EqualFold(e.Value, "DISABLED") {
		return settingError(e, "the rules inside a schema (confluent:rules) are not executed here: write DISABLED, and register a CEL rule instead")
	}
	if e := s["context.name.strategy"]; e.Value != "" && className(e.Value) != "NullContextNameStrategy" {
		return settingError(e, "it must be NullContextNameStrategy, Java's default: a context is a part of the subject (WithSubject), and WithRegistryContext names the context of the read ids")
	}
	for part, key := range map[Part]string{Value: "value.subject.name.strategy", Key: "key.subject.name.strategy"} {
		e, ok := s[key]
		if !ok || e.Value == "" {
			continue
		}
		if name := strategyName(e.Value); name == "associated" {
			fallback, err := s.fallback()
			if err != nil {
				return err
			}
			c.subjects[part] = subjectStrategy{name: fallback, associated: true, clusterID: s["subject.name.strategy.kafka.cluster.id"].Value}
		} else if f := namedStrategy(name); f != nil {
			c.subjects[part] = subjectStrategy{name: f}
		} else {
			return settingError(e, "it must be TopicNameStrategy, RecordNameStrategy, TopicRecordNameStrategy or AssociatedNameStrategy: give WithSubject for a strategy of your own")
		}
	}
	return nil
}

func (s settings) fallback() (SubjectFunc, error) {
	e, ok := s["subject.name.strategy.fallback.type"]
	if !ok || e.Value == "" {
		return TopicName, nil
	}
	if strings.EqualFold(e.Value, "none") {
		return NoSubject, nil
	}
	if f := namedStrategy(strategyName(e.Value)); f != nil {
		return f, nil
	}
	return nil, settingError(e, "it must be TOPIC, RECORD, TOPIC_RECORD or NONE")
}

// strategyName maps a Java class name, or a short name of Confluent's other
// clients, to one common name.
func strategyName(value string) string {
	name := strings.ToLower(className(value))
	name = strings.TrimSuffix(strings.TrimSuffix(name, "strategy"), "name")
	return strings.ReplaceAll(name, "_", "")
}

func namedStrategy(name string) SubjectFunc {
	switch name {
	case "topic":
		return TopicName
	case "record":
		return RecordName
	case "topicrecord":
		return TopicRecordName
	}
	return nil
}

// className returns the name of a Java class without its package.
func className(value string) string {
	return value[strings.LastIndexByte(value, '.')+1:]
}
