package main

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/avroline/avroline/internal/configfile"
	"github.com/avroline/avroline/registry"
)

// These environment variables name the registry and its credentials. A secret
// may be only in the environment or in the settings file of an application,
// because flags are visible in the list of processes, and avrogen.yaml is
// committed.
const (
	envRegistry     = "AVROGEN_REGISTRY"
	envSettings     = "AVROGEN_REGISTRY_CONFIG"
	envUser         = "AVROGEN_REGISTRY_USER"
	envPassword     = "AVROGEN_REGISTRY_PASSWORD"
	envToken        = "AVROGEN_REGISTRY_TOKEN"
	envClientSecret = "AVROGEN_REGISTRY_CLIENT_SECRET"
	envKeyPassword  = "AVROGEN_REGISTRY_KEY_PASSWORD"
	// envPrefix is the prefix of the variable of every setting of a registry
	// client. After the prefix comes the Java name of the setting, for example
	// AVROGEN_SCHEMA_REGISTRY_SSL_CA_LOCATION.
	envPrefix = "AVROGEN_"
)

const registryHelp = `The URL of the registry comes from --registry, otherwise from
` + envRegistry + `, and otherwise from avrogen.yaml. Several URLs are
separated by commas. Credentials come from the environment:
` + envUser + ` and ` + envPassword + `, or
` + envToken + `, or ` + envClientSecret + ` for
OAuth. Credentials may also be in a settings file of Kafka's clients
(*.properties or YAML). --registry-config or ` + envSettings + `
names this file. A private CA, a client certificate, headers and the OAuth
endpoint are under "registry" in avrogen.yaml.`

// registryConfig is the part "registry" of avrogen.yaml. The part is a URL or a
// mapping. It contains no secret.
type registryConfig struct {
	URL         string            `yaml:"url"`         // URLs with commas between, as --registry
	Config      string            `yaml:"config"`      // settings file of Kafka's clients, as --registry-config
	CA          string            `yaml:"ca"`          // PEM file of a private certificate authority
	Certificate string            `yaml:"certificate"` // PEM file of the client's certificate
	Key         string            `yaml:"key"`         // PEM file of the certificate's key
	Headers     map[string]string `yaml:"headers"`     // sent with each call
	OAuth       oauthConfig       `yaml:"oauth"`       // OAuth 2.0 client credentials; the secret is in the environment
}

type oauthConfig struct {
	TokenURL string `yaml:"token-url"` // URL that gives the tokens
	ClientID string `yaml:"client-id"` // name of this client
	Scope    string `yaml:"scope"`     // scopes to ask for, separated by spaces
}

// UnmarshalYAML reads a URL or a mapping.
func (r *registryConfig) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		r.URL = node.Value
	} else {
		type mapping registryConfig // without this method
		if err := node.Decode((*mapping)(r)); err != nil {
			return err
		}
	}
	if strings.Contains(r.URL, "@") {
		return &valueError{node.Line, node.Column, errors.New("the URL of the registry holds credentials, and this file is committed: put them into " + envUser + " and " + envPassword)}
	}
	return nil
}

// registrySettings returns the settings of avrogen.yaml by their Java names.
func (c *config) registrySettings() map[string]string {
	r := c.Registry
	m := map[string]string{
		"bearer.auth.issuer.endpoint.url": r.OAuth.TokenURL,
		"bearer.auth.client.id":           r.OAuth.ClientID,
		"bearer.auth.scope":               r.OAuth.Scope,
	}
	for key, file := range map[string]string{
		"schema.registry.ssl.ca.location": r.CA, "schema.registry.ssl.certificate.location": r.Certificate, "schema.registry.ssl.key.location": r.Key,
	} {
		if file != "" {
			m[key] = c.path(file)
		}
	}
	for name, value := range r.Headers {
		m["request.header."+name] = value
	}
	return withoutEmpty(m)
}

func withoutEmpty(m map[string]string) map[string]string {
	for key, value := range m {
		if value == "" {
			delete(m, key)
		}
	}
	return m
}

// environSettings returns the settings in the environment by their Java names.
func (a *app) environSettings() map[string]string {
	m := map[string]string{}
	for _, key := range configfile.Names(configfile.Registry) {
		m[key] = a.getenv(envPrefix + configfile.Variable(key))
		if configfile.Secret(key) {
			m[key+".file"] = a.getenv(envPrefix + configfile.Variable(key+".file"))
		}
	}
	m["bearer.auth.client.secret"] = cmp.Or(a.getenv(envClientSecret), m["bearer.auth.client.secret"])
	m["schema.registry.ssl.key.password"] = cmp.Or(a.getenv(envKeyPassword), m["schema.registry.ssl.key.password"])
	return withoutEmpty(m)
}

// checkEnviron refuses a variable whose name is similar to a name that avrogen
// reads. Otherwise a misspelt variable would silently lead to another registry,
// or to a call without credentials. Other variables belong to other programs.
func (a *app) checkEnviron() error {
	if a.environ == nil {
		return nil
	}
	known := []string{envRegistry, envSettings, envUser, envPassword, envToken, envClientSecret, envKeyPassword}
	for i, name := range known {
		known[i] = strings.TrimPrefix(name, envPrefix)
	}
	for _, key := range configfile.Names(configfile.Registry) {
		known = append(known, configfile.Variable(key), configfile.Variable(key+".file"))
	}
	var errs []error
	for _, variable := range slices.Sorted(slices.Values(a.environ())) {
		full, value, _ := strings.Cut(variable, "=")
		name, ours := strings.CutPrefix(full, envPrefix)
		if !ours || value == "" || slices.Contains(known, name) {
			continue
		}
		if hint := configfile.Nearest(name, known); hint != "" {
			errs = append(errs, usagef("avrogen does not read the variable %s%s", full, strings.Replace(hint, `"`, `"`+envPrefix, 1)))
		}
	}
	return errors.Join(errs...)
}

// addRegistryFlag gives a command --registry and --registry-config. An empty
// value is an error. Otherwise an unset variable of a script would lead to
// another registry.
func (a *app) addRegistryFlag(cmd *cobra.Command, url *string) {
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		for _, name := range []string{"registry", "registry-config"} {
			if f := cmd.Flags().Lookup(name); f.Changed && f.Value.String() == "" {
				return usagef("--%s is empty: give a value, or leave the flag out", name)
			}
		}
		return nil
	}
	cmd.Flags().StringVar(url, "registry", "", "`URL` of the schema registry")
	cmd.Flags().StringVar(&a.registryFile, "registry-config", "", "settings `FILE` of Kafka's clients, with settings of the registry")
}

// settingsFile returns the file of settings. The result is "" without a file.
func (a *app) settingsFile(cfg *config) string {
	if file := cmp.Or(a.registryFile, a.getenv(envSettings)); file != "" {
		return file
	}
	if cfg.Registry.Config != "" {
		return cfg.path(cfg.Registry.Config)
	}
	return ""
}

// registryURL returns the URL of the registry. The result is "" if no setting
// names a URL.
func (a *app) registryURL(flag string, cfg *config) (string, error) {
	const key = "schema.registry.url"
	if err := a.checkEnviron(); err != nil {
		return "", err
	}
	if url := cmp.Or(flag, a.getenv(envRegistry), a.getenv(envPrefix+configfile.Variable(key)), cfg.Registry.URL); url != "" {
		return url, nil
	}
	file := a.settingsFile(cfg)
	if file == "" {
		return "", nil
	}
	settings, err := configfile.Read(file)
	if err != nil {
		return "", &usageError{err}
	}
	entries, err := settings.For(configfile.Registry)
	if err != nil {
		return "", &usageError{err}
	}
	for _, e := range slices.Backward(entries) { // the last entry counts, like in the client
		if e.Key == key || e.Key == "schema.registry.urls" {
			return e.Value, nil
		}
	}
	return "", usagef("%s names no registry: there is no %s in it", filepath.ToSlash(file), key)
}

// openRegistry makes a client for the registry at url. The caller must close
// the client.
func (a *app) openRegistry(url string, cfg *config) (*registry.Client, error) {
	// A user waits at the terminal, so the retries take about one second. By
	// default, the client retries for nine seconds. These values are settings,
	// because an option would win over the settings of the user.
	opts := []registry.Option{registry.WithConfig(map[string]string{
		"max.retries": "4", "retries.wait.ms": "100", "retries.max.wait.ms": "1000",
	})}
	if file := a.settingsFile(cfg); file != "" {
		opts = append(opts, registry.WithConfigFile(file))
	}
	opts = append(opts, registry.WithConfig(cfg.registrySettings()), registry.WithConfig(a.environSettings()))
	user, password, token := a.getenv(envUser), a.getenv(envPassword), a.getenv(envToken)
	switch {
	case token != "" && user != "":
		return nil, usagef("both %s and %s are set: use one of them", envToken, envUser)
	case token == "" && user == "" && password != "":
		return nil, usagef("%s is set, and %s is not: set both", envPassword, envUser)
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

// adviceOnRegistry returns what to do after a failed call of the registry. The
// result is "" for another error, and if the text of the error says enough.
func adviceOnRegistry(err error) string {
	var answer *registry.Error
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var remote *net.OpError
	switch {
	case errors.As(err, &authority):
		return fmt.Sprintf("give the certificate of its authority as \"ca\" under \"registry\" in %s", configName)
	case errors.As(err, &host):
		return "write a host name of the certificate in the URL"
	case errors.As(err, &remote) && remote.Op == "remote error": // a TLS alert
		return fmt.Sprintf("see \"certificate\" and \"key\" under \"registry\" in %s", configName)
	case errors.Is(err, http.ErrSchemeMismatch):
		return "write http:// in the URL"
	case errors.As(err, &answer) && answer.Status == http.StatusUnauthorized:
		return fmt.Sprintf("see the credentials in %s and %s, or in %s", envUser, envPassword, envToken)
	case errors.As(err, &answer) && answer.Status == http.StatusTooManyRequests:
		return "try again later"
	case errors.Is(err, registry.ErrUnavailable):
		return fmt.Sprintf("see whether it runs, and whether --registry or %s is its URL", envRegistry)
	}
	return ""
}

// openNeededRegistry makes a client for a command that needs a registry.
func (a *app) openNeededRegistry(flag string, cfg *config) (*registry.Client, error) {
	url, err := a.registryURL(flag, cfg)
	if err != nil {
		return nil, err
	}
	if url == "" {
		return nil, usagef("no registry: give --registry URL, or set %s", envRegistry)
	}
	return a.openRegistry(url, cfg)
}
