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

// contractFile is the file with the metadata and the rules of a schema. The
// file is in the folder of the schema. The names are the names of Confluent's
// API:
//
//	metadata: {properties: {owner: shop}, tags: {"**.email": [PII]}}
//	ruleSet:
//	  domainRules:
//	    - {name: encrypt, kind: TRANSFORM, type: ENCRYPT,
//	       mode: WRITEREAD, tags: [PII]}
type contractFile struct {
	Metadata *registry.Metadata `json:"metadata,omitempty"`
	RuleSet  *registry.RuleSet  `json:"ruleSet,omitempty"`
}

// contractExt ends the name of a contract file. The file order.rules.yaml
// belongs to order.avsc.
const contractExt = ".rules.yaml"

// contractName is the name of the contract file of a schema file.
func contractName(schemaFile string) string {
	return strings.TrimSuffix(schemaFile, filepath.Ext(schemaFile)) + contractExt
}

// readContract reads the contract file of a schema file. Without a contract
// file, the contract is empty.
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

// parseContract reads a contract from YAML. The YAML is converted to JSON,
// because the names are the names of the API's JSON. An unknown name is an
// error.
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

// contract is the metadata and the rules of a schema. If avrogen.yaml has a
// contract for the subject, contract returns this contract. Otherwise it reads
// the file in the folder of the schema.
func (c *config) contract(subject, schemaFile string) (contractFile, error) {
	if node, ok := c.Contracts[subject]; ok {
		return parseContract(configName+": contracts: "+subject, &node)
	}
	return readContract(schemaFile)
}

// text is the text of the file. It is nil for an empty contract.
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

// block removes the JSON style from a node.
func block(node *yaml.Node) {
	node.Style = 0
	for _, n := range node.Content {
		block(n)
	}
}
