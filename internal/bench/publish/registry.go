package main

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/avroline/avroline/registry/contract"
)

// registry gives every schema the id 1.
type registry struct{}

var errNot = errors.New("not in this benchmark")

func (registry) Register(context.Context, string, contract.Schema) (contract.Version, error) {
	return contract.Version{ID: 1, RuleSet: &contract.RuleSet{}}, nil
}

func (registry) Lookup(context.Context, string, contract.Schema) (contract.Version, error) {
	return contract.Version{ID: 1, RuleSet: &contract.RuleSet{}}, nil
}

func (registry) Latest(context.Context, string) (contract.Version, error) {
	return contract.Version{}, errNot
}

func (registry) SchemaByID(context.Context, string, int) (contract.Version, error) {
	return contract.Version{ID: 1, Schema: eventSchema, RuleSet: &contract.RuleSet{}}, nil
}

func (registry) SchemaByGUID(context.Context, uuid.UUID) (contract.Version, error) {
	return contract.Version{}, errNot
}
