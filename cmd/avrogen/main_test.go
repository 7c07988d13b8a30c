package main

import (
	"context"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/compat"
	"github.com/avroline/avroline/registry/registrytest"
)

var update = flag.Bool("update", false, "rewrite the expected files of the scripts")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"avrogen": func() {
			os.Exit(run(context.Background(), &app{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv, environ: os.Environ}, os.Args[1:]))
		},
	})
}

// TestScripts runs testdata/*.txtar. Each script tests one behaviour.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		Setup:               func(env *testscript.Env) error { return errors.Join(startRegistry(env), shareGoCaches(env)) },
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"status": status, "seed": seed, "forbid": forbid, "groups": groups, "requests": requests},
	})
}

// startRegistry gives each script its own registry. The URL is in $REGISTRY.
func startRegistry(env *testscript.Env) error {
	server, err := registrytest.NewServer()
	if err != nil {
		return err
	}
	env.Defer(func() { server.Close() })
	env.Setenv("REGISTRY", server.URL)
	env.Values["registry"] = server
	return nil
}

// shareGoCaches lets the Go command of a script use the caches of the test. The
// Go command downloads nothing.
func shareGoCaches(env *testscript.Env) error {
	for _, name := range []string{"GOCACHE", "GOMODCACHE"} {
		out, err := exec.CommandContext(context.Background(), "go", "env", name).Output()
		if err != nil {
			return err
		}
		env.Setenv(name, strings.TrimSpace(string(out)))
	}
	repo, err := filepath.Abs("../..")
	if err != nil {
		return err
	}
	env.Setenv("REPO", repo) // for a replace line
	env.Setenv("GOPROXY", "off")
	env.Setenv("GOFLAGS", "-mod=mod")
	env.Setenv("GOTOOLCHAIN", "local")
	return nil
}

// seed SUBJECT FILE… registers versions of a subject and ignores the level of
// the subject.
func seed(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: seed SUBJECT FILE…")
	}
	server := ts.Value("registry").(*registrytest.Server)
	for _, file := range args[1:] {
		ts.Check(server.Seed(args[0], ts.ReadFile(file)))
	}
}

// forbid SUBJECT answers 403 to every request about a subject.
func forbid(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: forbid SUBJECT")
	}
	ts.Value("registry").(*registrytest.Server).Inject(registrytest.Status(403), registrytest.OnSubject(args[0]))
}

// groups SUBJECT PROPERTY gives a subject compatibility groups and the level
// FULL.
func groups(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: groups SUBJECT PROPERTY")
	}
	c, err := registry.New([]string{ts.Value("registry").(*registrytest.Server).URL})
	ts.Check(err)
	defer c.Close()
	ts.Check(c.SetCompatibilityGroup(context.Background(), args[0], args[1], compat.Full))
}

// requests SUBJECT N asserts how many requests were about a subject.
func requests(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: requests SUBJECT N")
	}
	n := 0
	for _, r := range ts.Value("registry").(*registrytest.Server).Log() {
		if r.Subject == args[0] {
			n++
		}
	}
	if strconv.Itoa(n) != args[1] {
		ts.Fatalf("%d requests about %s, want %s", n, args[0], args[1])
	}
}

// status N command args… runs a program and asserts its exit status. The script
// can check stdout and stderr, as after exec.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N command [args…]")
	}
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		code = exit.ExitCode()
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("status %d, want %s", code, args[0])
	}
}
