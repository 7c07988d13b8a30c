package catalog

import (
	"bytes"
	"fmt"
	"regexp"

	"go.yaml.in/yaml/v3"

	"github.com/avroline/avroline/internal/avsc"
)

// These are the versions of the AsyncAPI specification, of its Kafka binding,
// and of Avro in its list of schema formats.
const (
	asyncAPIVersion     = "3.0.0"
	kafkaBindingVersion = "0.5.0"
	avroFormat          = "application/vnd.apache.avro+json;version=1.9.0"
)

// componentKey matches the characters that AsyncAPI does not allow in keys.
var componentKey = regexp.MustCompile(`[^a-zA-Z0-9._-]`)

// AsyncAPI makes the AsyncAPI document. Each topic is a channel with a send
// operation and the topic's messages. Without topics, the document holds the
// messages of all records that no other type uses.
func (c *Catalog) AsyncAPI() (File, error) {
	channels, operations, messages := newMapping(), newMapping(), newMapping()
	done := map[*Type]bool{}
	add := func(t *Type, key *Type) {
		if !done[t] {
			done[t] = true
			messages.set(t.messageKey(), t.message(key))
		}
	}
	for _, topic := range c.Topics {
		channel, operation := topic.channel()
		name := componentKey.ReplaceAllString(topic.Name, "_")
		var key *Type
		if len(topic.Keys) == 1 {
			key = topic.Keys[0]
		}
		for _, t := range topic.Values {
			add(t, key)
		}
		channels.set(name, channel.Node)
		operations.set("send."+name, operation.Node)
	}
	if len(c.Topics) == 0 {
		for _, t := range c.Types {
			if t.kind() == "record" && len(t.UsedBy) == 0 {
				add(t, nil)
			}
		}
	}
	doc := newMapping()
	doc.text("asyncapi", asyncAPIVersion)
	info := newMapping()
	info.text("title", clean(c.Title))
	info.text("version", "1.0.0")
	doc.set("info", info.Node)
	doc.text("defaultContentType", "avro/binary")
	doc.set("channels", channels.Node)
	doc.set("operations", operations.Node)
	components := newMapping()
	components.set("messages", messages.Node)
	doc.set("components", components.Node)
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(doc.Node); err != nil {
		return File{}, fmt.Errorf("asyncapi.yaml: %w", err)
	}
	return File{"asyncapi.yaml", out.Bytes()}, nil
}

// messageKey returns the key of the type's message. The key is the stem,
// because stems are unique and contain only characters that AsyncAPI allows.
func (t *Type) messageKey() string { return t.Stem }

func (t *Topic) channel() (channel, operation mapping) {
	name := componentKey.ReplaceAllString(t.Name, "_")
	channel = newMapping()
	channel.text("address", t.Name)
	messages := newMapping()
	sent := &yaml.Node{Kind: yaml.SequenceNode}
	for _, v := range t.Values {
		messages.set(v.messageKey(), ref("#/components/messages/"+v.messageKey()))
		sent.Content = append(sent.Content, ref("#/channels/"+name+"/messages/"+v.messageKey()))
	}
	channel.set("messages", messages.Node)
	kafka := newMapping()
	kafka.text("topic", t.Name)
	kafka.text("bindingVersion", kafkaBindingVersion)
	bindings := newMapping()
	bindings.set("kafka", kafka.Node)
	channel.set("bindings", bindings.Node)
	operation = newMapping()
	operation.text("action", "send")
	operation.set("channel", ref("#/channels/"+name))
	if len(sent.Content) > 0 {
		operation.set("messages", sent)
	}
	return channel, operation
}

// message returns the message of a type. The parameter key is the type of the
// message's key, or nil.
func (t *Type) message(key *Type) *yaml.Node {
	m := newMapping()
	m.text("name", clean(t.Name))
	m.text("title", clean(t.Short()))
	if s := t.Summary(); s != "" {
		m.text("summary", s)
	}
	if d := t.Doc(); d != "" {
		m.text("description", d)
	}
	m.text("contentType", "avro/binary")
	m.set("payload", t.schemaNode())
	kafka := newMapping()
	if key != nil {
		kafka.set("key", key.schemaNode())
	}
	kafka.text("schemaIdLocation", "payload")
	kafka.text("schemaIdPayloadEncoding", "confluent")
	kafka.text("bindingVersion", kafkaBindingVersion)
	bindings := newMapping()
	bindings.set("kafka", kafka.Node)
	m.set("bindings", bindings.Node)
	return m.Node
}

// schemaNode returns the schema of a type with the name of the schema format.
func (t *Type) schemaNode() *yaml.Node {
	m := newMapping()
	m.text("schemaFormat", avroFormat)
	w := avroWriter{seen: map[*avsc.Schema]bool{}}
	m.set("schema", w.schema(t.Schema, ""))
	return m.Node
}

// mapping is a YAML mapping with a fixed order of keys.
type mapping struct{ *yaml.Node }

func newMapping() mapping { return mapping{&yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}} }

func (m mapping) set(key string, value *yaml.Node) {
	m.Content = append(m.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}, value)
}

func (m mapping) text(key, value string) {
	m.set(key, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value})
}

func ref(target string) *yaml.Node {
	m := newMapping()
	m.text("$ref", target)
	return m.Node
}
