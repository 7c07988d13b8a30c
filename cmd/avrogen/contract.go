package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/avroline/avroline/registry"
)

// contractFile is the file beside a schema that holds its metadata and its
// rules, by the names of Confluent's API:
//
//	metadata: {properties: {owner: shop}, tags: {"**.email": [PII]}}
//	ruleSet:
//	  domainRules:
//	    - {name: encrypt, kind: TRANSFORM, type: ENCRYPT, mode: WRITEREAD, tags: [PII]}
type contractFile struct {
	Metadata *registry.Metadata `json:"metadata,omitempty"`
	RuleSet  *registry.RuleSet  `json:"ruleSet,omitempty"`
}

// contractExt ends the name of the file beside a schema: order.rules.yaml
// belongs to order.avsc.
const contractExt = ".rules.yaml"

// contractName is the name of the file that goes with a schema's.
func contractName(schemaFile string) string {
	return strings.TrimSuffix(schemaFile, filepath.Ext(schemaFile)) + contractExt
}

// readContract reads the file beside a schema; without one the contract is
// empty.
func readContract(schemaFile string) (contractFile, error) {
	name := contractName(schemaFile)
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return contractFile{}, nil
	}
	if err != nil {
		return contractFile{}, err
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return contractFile{}, usagef("%s: %s", filepath.ToSlash(name), strings.TrimPrefix(err.Error(), "yaml: "))
	}
	return parseContract(filepath.ToSlash(name), &document)
}

// parseContract reads a contract out of YAML. The names are those of the API's
// JSON, so it goes through JSON; an unknown name is an error.
func parseContract(name string, node *yaml.Node) (contractFile, error) {
	var c contractFile
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
		return contractFile{}, usagef("%s: metadata and rules as Confluent's API names them are wanted: %s", name, strings.TrimPrefix(err.Error(), "json: "))
	}
	return c, nil
}

// contract is the metadata and the rules of a schema: those of avrogen.yaml for
// its subject, else those of the file beside it.
func (c *config) contract(subject, schemaFile string) (contractFile, error) {
	if node, ok := c.Contracts[subject]; ok {
		return parseContract(configName+": contracts: "+subject, &node)
	}
	return readContract(schemaFile)
}

// text is the file's text, nil for an empty contract.
func (c contractFile) text() ([]byte, error) {
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
	if err := yaml.Unmarshal(object, &node); err != nil {
		return nil, err
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

// block takes the form of JSON out of a node.
func block(node *yaml.Node) {
	node.Style = 0
	for _, n := range node.Content {
		block(n)
	}
}
