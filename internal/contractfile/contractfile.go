// Package contractfile reads and writes contract files. A contract file has the
// metadata and the rules of a schema, and lies beside the schema file:
// order.rules.yaml belongs to order.avsc. The names are the names of
// Confluent's API:
//
//	metadata: {properties: {owner: shop}, tags: {"**.email": [PII]}}
//	ruleSet:
//	  domainRules:
//	    - {name: encrypt, kind: TRANSFORM, type: ENCRYPT,
//	       mode: WRITEREAD, tags: [PII]}
package contractfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/registry/contract"
)

// Contract is the metadata and the rules of a schema. The zero Contract has
// none.
type Contract struct {
	Metadata *contract.Metadata `json:"metadata,omitempty"`
	RuleSet  *contract.RuleSet  `json:"ruleSet,omitempty"`

	name  string // of the file
	rules map[string]avsc.Pos
}

// SyntaxError says that a file is not a contract file.
type SyntaxError struct {
	Name string // of the file
	Err  error
}

// Error names the file and the mistake.
func (e *SyntaxError) Error() string { return e.Name + ": " + e.Err.Error() }

// Unwrap returns the mistake.
func (e *SyntaxError) Unwrap() error { return e.Err }

// Name returns the name of the contract file of a schema file.
func Name(schemaFile string) string {
	return strings.TrimSuffix(schemaFile, path.Ext(filepath.ToSlash(schemaFile))) + ".rules.yaml"
}

// CheckName returns a [*SyntaxError] if a file in the folder of the schema file
// has the name of the contract file with the ending .yml. No command reads such
// a file, so the schema would be registered without its rules.
func CheckName(schemaFile string) error {
	name := Name(schemaFile)
	wrong := strings.TrimSuffix(name, ".yaml") + ".yml"
	if _, err := os.Stat(wrong); err != nil {
		return nil // there is no such file
	}
	return &SyntaxError{filepath.ToSlash(wrong), fmt.Errorf("no command reads this name: rename the file to %s", path.Base(filepath.ToSlash(name)))}
}

// Read reads the contract file of a schema file with the function read. If the
// contract file does not exist, the contract is empty. The error of a mistake
// is a [*SyntaxError].
func Read(read func(name string) ([]byte, error), schemaFile string) (Contract, error) {
	name := filepath.ToSlash(Name(schemaFile))
	text, err := read(name)
	if errors.Is(err, fs.ErrNotExist) {
		return Contract{}, nil
	}
	if err != nil {
		return Contract{}, err
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return Contract{}, &SyntaxError{name, errors.New(strings.TrimPrefix(err.Error(), "yaml: "))}
	}
	return Parse(name, name, &document)
}

// Parse reads a contract from YAML. file is the name of the file for positions.
// The error is a [*SyntaxError] with name. The YAML is converted to JSON,
// because the names are the names of the API's JSON. An unknown name is an
// error.
func Parse(name, file string, node *yaml.Node) (Contract, error) {
	c := Contract{name: file}
	if node.Kind == 0 {
		return c, nil // an empty file
	}
	var value any
	err := node.Decode(&value)
	var text []byte
	if err == nil {
		text, err = json.Marshal(value)
	}
	if err == nil {
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		err = d.Decode(&c)
	}
	if err != nil {
		return Contract{}, &SyntaxError{name, fmt.Errorf("metadata and rules as Confluent's API names them are wanted: %s", strings.TrimPrefix(err.Error(), "json: "))}
	}
	c.rules = map[string]avsc.Pos{}
	set := member(node, "ruleSet")
	for _, phase := range []string{"migrationRules", "domainRules", "encodingRules"} {
		list := member(set, phase)
		if list == nil {
			continue
		}
		for _, rule := range list.Content {
			if at := member(rule, "name"); at != nil {
				c.rules[at.Value] = avsc.Pos{File: file, Line: at.Line, Col: at.Column}
			}
		}
	}
	return c, nil
}

// member returns the value of a key in a mapping, or nil.
func member(node *yaml.Node, key string) *yaml.Node {
	if node == nil {
		return nil
	}
	if node.Kind == yaml.DocumentNode && len(node.Content) > 0 {
		node = node.Content[0]
	}
	if node.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == key {
			return node.Content[i+1]
		}
	}
	return nil
}

// Pos returns the position of a rule. If the file has no such rule, Pos returns
// the whole file. If there is no file, the result has no file.
func (c Contract) Pos(rule string) avsc.Pos {
	if pos, ok := c.rules[rule]; ok {
		return pos
	}
	return avsc.Pos{File: c.name}
}

// Text returns the text of the file. It is nil for an empty contract.
func (c Contract) Text() ([]byte, error) {
	if c.Metadata == nil && c.RuleSet.Empty() {
		return nil, nil
	}
	if c.RuleSet.Empty() {
		c.RuleSet = nil
	}
	object, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	var node yaml.Node // keeps the order of the names
	if err := yaml.Unmarshal(escape(object), &node); err != nil {
		return nil, fmt.Errorf("contract: %w", err)
	}
	block(&node)
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := errors.Join(e.Encode(&node), e.Close()); err != nil {
		return nil, fmt.Errorf("contract: %w", err)
	}
	return b.Bytes(), nil
}

// escape escapes the characters that JSON may contain unescaped and YAML may
// not. In JSON, they stand only inside of strings.
func escape(object []byte) []byte {
	var b bytes.Buffer
	for _, r := range string(object) {
		if r >= 0x7f && r <= 0x9f || r == 0xfffe || r == 0xffff {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.Bytes()
}

// block removes the JSON style from a node.
func block(node *yaml.Node) {
	node.Style = 0
	for _, n := range node.Content {
		block(n)
	}
}
