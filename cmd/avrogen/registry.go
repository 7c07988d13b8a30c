package main

import (
	"cmp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/avroline/avroline/registry"
)

// The environment that names the registry. Credentials come from there only:
// flags are seen in the list of processes, files are committed.
const (
	envRegistry = "AVROGEN_REGISTRY"
	envUser     = "AVROGEN_REGISTRY_USER"
	envPassword = "AVROGEN_REGISTRY_PASSWORD"
	envToken    = "AVROGEN_REGISTRY_TOKEN"
)

const registryHelp = `The registry is --registry, else ` + envRegistry + `, else that of avrogen.yaml;
several URLs are separated by commas. Credentials come from the environment:
` + envUser + ` and ` + envPassword + `, or
` + envToken + `.`

// addRegistryFlag gives a command --registry.
func addRegistryFlag(cmd *cobra.Command, url *string) {
	cmd.Flags().StringVar(url, "registry", "", "URL of the schema registry")
}

// registryURL is where the registry is, "" when nothing says so.
func (a *app) registryURL(flag string, cfg *config) string {
	return cmp.Or(flag, a.getenv(envRegistry), cfg.Registry)
}

// openRegistry makes a client of the registry at url. Close it.
func (a *app) openRegistry(url string) (*registry.Client, error) {
	// Somebody waits at a terminal: about a second, not the client's nine.
	opts := []registry.Option{registry.WithRetries(4, 100*time.Millisecond, time.Second)}
	user, password, token := a.getenv(envUser), a.getenv(envPassword), a.getenv(envToken)
	switch {
	case token != "" && user != "":
		return nil, usagef("both %s and %s are set: use one of them", envToken, envUser)
	case token != "":
		opts = append(opts, registry.WithBearer(token))
	case user != "":
		opts = append(opts, registry.WithBasicAuth(user, password))
	}
	client, err := registry.New(strings.Split(url, ","), opts...)
	if err != nil {
		return nil, &usageError{err}
	}
	return client, nil
}

// openNeededRegistry makes a client for a command that cannot go without.
func (a *app) openNeededRegistry(flag string, cfg *config) (*registry.Client, error) {
	url := a.registryURL(flag, cfg)
	if url == "" {
		return nil, usagef("which registry? Give --registry URL, or set %s", envRegistry)
	}
	return a.openRegistry(url)
}
