package main

import (
	"cmp"
	"errors"
	"maps"

	"go.yaml.in/yaml/v3"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/check"
	"github.com/avroline/avroline/internal/contractfile"
	"github.com/avroline/avroline/internal/fieldtags"
)

// contract returns the metadata and the rules of a schema. If avrogen.yaml has
// a contract for the subject, contract returns this contract. Otherwise it
// reads the file in the folder of the schema.
func (c *config) contract(subject, schemaFile string, read func(string) ([]byte, error)) (contractfile.Contract, error) {
	if node, ok := c.Contracts[subject]; ok {
		return contractfile.Parse(configName+": contracts: "+subject, c.name(), &node)
	}
	return contractfile.Read(read, schemaFile)
}

// contractsIn finds the contracts of the schemas in a tree of files. The tree
// may be another commit. If the tree has an avrogen.yaml, the contracts in this
// file are used.
func (c *config) contractsIn(read func(string) ([]byte, error)) check.Contracts {
	in := c
	if text, err := read(c.name()); c.file != "" && err == nil {
		in = &config{file: c.file, dir: c.dir}
		var part struct {
			Subjects  map[string]string    `yaml:"subjects"`
			Contracts map[string]yaml.Node `yaml:"contracts"`
		}
		if err := yaml.Unmarshal(text, &part); err == nil {
			in.Subjects, in.Contracts = part.Subjects, part.Contracts
		}
	}
	return func(subject string, s *avsc.Schema) (contractfile.Contract, error) {
		if subject == "" {
			subject = cmp.Or(in.subjectOfFile(s.Pos.File), in.subject(s.Name))
		}
		return in.contract(subject, s.Pos.File, read)
	}
}

// tags returns the tags of fields, from the contracts of a set's schemas.
func (c *config) tags(set *avsc.Set, read func(string) ([]byte, error)) (map[string][]string, error) {
	tags, contracts := map[string][]string{}, c.contractsIn(read)
	for _, f := range set.Files {
		if err := contractfile.CheckName(f.Name); err != nil {
			return nil, err
		}
		for _, s := range f.Schemas {
			contract, err := contracts("", s)
			if err != nil {
				return nil, err
			}
			if contract.Metadata != nil {
				maps.Copy(tags, fieldtags.Of(contract.Metadata, s))
			}
		}
	}
	return tags, nil
}

// contractError makes a mistake in a contract file a usage error.
func contractError(err error) error {
	var mistake *contractfile.SyntaxError
	if errors.As(err, &mistake) {
		return &usageError{err}
	}
	return err
}
