// Withvault starts a real HashiCorp Vault, runs a command, and ends the server
// with the command:
//
//	withvault COMMAND [ARG]…
//
// The command gets the address of Vault in AVROLINE_TEST_VAULT, a token in
// AVROLINE_TEST_VAULT_TOKEN, and the ids of an AppRole in
// AVROLINE_TEST_VAULT_ROLE and AVROLINE_TEST_VAULT_SECRET. The transit engine
// has the key "orders". The token and the AppRole may use only this key.
//
// The first run builds the server from its Go module. The build takes some
// minutes.
package main

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/avroline/avroline/internal/local"
)

const version = "v1.21.4"

//go:embed testdata/main.go
var server []byte

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "withvault: which command?")
		os.Exit(2)
	}
	err := run(os.Args[1:])
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		os.Exit(exit.ExitCode()) // the command has printed the reason
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "withvault:", err)
		os.Exit(1)
	}
}

func run(command []string) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := local.Cached("vault-"+version, func(dir string) error { return build(ctx, dir) })
	if err != nil {
		return err
	}
	vault := exec.CommandContext(ctx, filepath.Join(dir, "vault"))
	vault.Stderr = os.Stderr
	in, err := vault.StdinPipe() // the server ends when this pipe is closed
	if err != nil {
		return err
	}
	out, err := vault.StdoutPipe()
	if err != nil {
		return err
	}
	if err := vault.Start(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close(), vault.Wait()) }()
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return fmt.Errorf("the server has printed no address: %w", err)
	}
	c := &client{address: "http://" + strings.TrimSpace(address)}
	env, err := c.setUp(ctx)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 30 * time.Second
	return cmd.Run()
}

// patches adapt this version of Vault to the published version of Vault's SDK.
// The repository of Vault contains a changed copy of the SDK, but the Go module
// does not.
var patches = []struct{ file, old, new string }{
	{
		"builtin/logical/transit/path_restore.go", "restoredKeyName, err := b.lm.RestorePolicy(",
		"restoredKeyName := keyName\n\terr := b.lm.RestorePolicy(",
	},
	{
		"vault/identity_store.go", "iStore.activateDeduplication,",
		"func(ctx context.Context, req *logical.Request, _ string) error { return iStore.activateDeduplication(ctx, req) },",
	},
	{"vault/logical_system_activation_flags.go", "ActivationFunc(ctx, nil)", `ActivationFunc(ctx, nil, "")`},
}

// build makes the program vault in dir.
func build(ctx context.Context, dir string) error {
	fmt.Fprintln(os.Stderr, "withvault: building Vault", version)
	download := exec.CommandContext(ctx, "go", "mod", "download", "-json", "github.com/hashicorp/vault@"+version)
	download.Dir = dir // outside of the caller's module
	out, err := download.Output()
	if err != nil {
		return fmt.Errorf("go mod download: %w\n%s", err, local.Tail(out, 2000))
	}
	var module struct{ Dir, GoMod string }
	if err := json.Unmarshal(out, &module); err != nil {
		return err
	}
	source := filepath.Join(dir, "source")
	if err := os.CopyFS(source, os.DirFS(module.Dir)); err != nil {
		return err
	}
	for _, p := range patches {
		name := filepath.Join(source, filepath.FromSlash(p.file))
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		changed := bytes.Replace(text, []byte(p.old), []byte(p.new), 1)
		if bytes.Equal(text, changed) {
			return fmt.Errorf("%s does not contain %q", p.file, p.old)
		}
		if err := errors.Join(os.Remove(name), os.WriteFile(name, changed, 0o600)); err != nil {
			return err
		}
	}
	goMod, err := os.ReadFile(module.GoMod)
	if err != nil {
		return err
	}
	// Remove replacements by folders of Vault's repository, because the Go
	// module does not contain these folders.
	goMod = regexp.MustCompile(`(?m)^replace .*=> \./.*$`).ReplaceAll(goMod, nil)
	goMod = bytes.Replace(goMod, []byte("module github.com/hashicorp/vault\n"), []byte("module server\n"), 1)
	goMod = fmt.Appendf(goMod, "\nrequire github.com/hashicorp/vault %s\n\nreplace github.com/hashicorp/vault => ./source\n", version)
	err = errors.Join(
		os.WriteFile(filepath.Join(dir, "go.mod"), goMod, 0o600),
		os.WriteFile(filepath.Join(dir, "main.go"), server, 0o600))
	if err != nil {
		return err
	}
	compile := exec.CommandContext(ctx, "go", "build", "-mod=mod", "-o", "vault", ".")
	compile.Dir = dir
	compile.Env = append(os.Environ(), "GOWORK=off")
	if out, err := compile.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, local.Tail(out, 3000))
	}
	return os.RemoveAll(source)
}

// client calls the API of Vault.
type client struct{ address, token string }

// call sends a request and reads the answer into out, unless out is nil.
func (c *client) call(ctx context.Context, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, c.address+"/v1/"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("X-Vault-Token", c.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, local.Tail(text, 500))
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}

// setUp initializes a new Vault and returns the variables for the command.
func (c *client) setUp(ctx context.Context) ([]string, error) {
	var start struct {
		Keys []string
		Root string `json:"root_token"`
	}
	if err := c.call(ctx, http.MethodPut, "sys/init", map[string]int{"secret_shares": 1, "secret_threshold": 1}, &start); err != nil {
		return nil, err
	}
	if err := c.call(ctx, http.MethodPut, "sys/unseal", map[string]string{"key": start.Keys[0]}, nil); err != nil {
		return nil, err
	}
	c.token = start.Root
	const policy = `path "transit/+/orders" { capabilities = ["update"] }`
	for _, s := range []struct {
		path string
		in   map[string]any
	}{
		{"sys/mounts/transit", map[string]any{"type": "transit"}},
		{"transit/keys/orders", nil},
		{"transit/keys/other", nil},
		{"sys/policies/acl/orders", map[string]any{"policy": policy}},
		{"sys/auth/approle", map[string]any{"type": "approle"}},
		{"auth/approle/role/orders", map[string]any{"token_policies": "orders", "token_ttl": "2s"}},
	} {
		if err := c.call(ctx, http.MethodPost, s.path, s.in, nil); err != nil {
			return nil, err
		}
	}
	var token struct {
		Auth struct {
			Token string `json:"client_token"`
		}
	}
	var role, secret struct {
		Data struct {
			Role   string `json:"role_id"`
			Secret string `json:"secret_id"`
		}
	}
	err := errors.Join(
		c.call(ctx, http.MethodPost, "auth/token/create", map[string]any{"policies": []string{"orders"}}, &token),
		c.call(ctx, http.MethodGet, "auth/approle/role/orders/role-id", nil, &role),
		c.call(ctx, http.MethodPost, "auth/approle/role/orders/secret-id", nil, &secret))
	if err != nil {
		return nil, err
	}
	return []string{
		"AVROLINE_TEST_VAULT=" + c.address, "AVROLINE_TEST_VAULT_TOKEN=" + token.Auth.Token,
		"AVROLINE_TEST_VAULT_ROLE=" + role.Data.Role, "AVROLINE_TEST_VAULT_SECRET=" + secret.Data.Secret,
	}, nil
}
