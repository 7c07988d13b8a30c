package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/cel"
	"github.com/avroline/avroline/serde/encrypt"
	"github.com/avroline/avroline/serde/jsonata"
)

// rulesFlags are the flags of a command that runs the rules of a registry.
type rulesFlags struct {
	ignore bool
}

// rulesHelp is the part of the help about rules.
const rulesHelp = `With --registry, the rules of the subject run: CEL, JSONata and encryption. An
encryption rule needs its key. The key is a key that the registry shares, or a
key of local-kms with the secret in LOCAL_SECRET. Without the key, nothing is
printed. --ignore-rules switches the rules off.`

func (r *rulesFlags) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&r.ignore, "ignore-rules", false, "do not run the rules of the registry")
}

// options returns the executors for the rules. closeKeys removes the keys from
// memory.
func (r *rulesFlags) options(client *registry.Client) (opt serde.CommonOption, closeKeys func(), err error) {
	if r.ignore {
		return serde.IgnoreRules(), func() {}, nil
	}
	var opts []encrypt.Option
	if secret := os.Getenv("LOCAL_SECRET"); secret != "" {
		kms, err := encrypt.LocalKMS(secret)
		if err != nil {
			return nil, nil, err
		}
		opts = append(opts, encrypt.WithKMS(kms))
	}
	keys, err := encrypt.NewKeys(client, opts...)
	if err != nil {
		return nil, nil, err
	}
	executors := append(keys.Executors(), cel.Executors()...)
	executors = append(executors, jsonata.Executors()...)
	return serde.WithRules(executors...), func() { _ = keys.Close() }, nil
}
