package avscfile

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"sync"
)

// ModulePrefix begins the name of a file in a Go module:
// "module:github.com/acme/schemas/common/money.avsc".
const ModulePrefix = "module:"

// Modules finds the files of Go modules with the Go command. The versions of
// the modules come from go.mod, go.work or the vendor folder. The Go command
// runs once, at the first look-up of a file. Modules is safe for concurrent
// use.
type Modules struct {
	ctx context.Context //nolint:containedctx // a command lives as long as its context
	dir string

	once    sync.Once
	modules []Module
	vendor  string // the vendor folder, if the modules are there
	err     error
}

// Module is a Go module on disk.
type Module struct {
	Path    string
	Version string
	Main    bool
	Dir     string // "" if the module is not in the module cache
	Replace *Module
}

// NewModules returns the modules that code in the folder dir can import.
func NewModules(ctx context.Context, dir string) *Modules { return &Modules{ctx: ctx, dir: dir} }

func (m *Modules) list() {
	cmd := exec.CommandContext(m.ctx, "go", "list", "-m", "-json", "-e", "all")
	cmd.Dir = m.dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		if strings.Contains(stderr.String(), "vendor") {
			m.listVendor()
			return
		}
		first, _, _ := strings.Cut(strings.TrimSpace(strings.TrimPrefix(stderr.String(), "go: ")), "\n")
		if errors.Is(err, exec.ErrNotFound) {
			first = err.Error()
		}
		m.err = fmt.Errorf("the Go command cannot list the modules: %s", first)
		return
	}
	m.modules, m.err = readModules(out)
}

func readModules(out []byte) ([]Module, error) {
	var modules []Module
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var one Module
		if err := d.Decode(&one); err != nil {
			return nil, fmt.Errorf("the Go command's list of modules: %w", err)
		}
		if one.Dir == "" && one.Replace != nil {
			one.Dir = one.Replace.Dir
		}
		modules = append(modules, one)
	}
	return modules, nil
}

// listVendor lists the modules of the vendor folder.
func (m *Modules) listVendor() {
	cmd := exec.CommandContext(m.ctx, "go", "list", "-m", "-json")
	cmd.Dir = m.dir
	out, err := cmd.Output()
	if err != nil {
		m.err = fmt.Errorf("the Go command cannot list the modules: %w", err)
		return
	}
	if m.modules, m.err = readModules(out); m.err != nil || len(m.modules) == 0 {
		return
	}
	m.vendor = filepath.Join(m.modules[0].Dir, "vendor")
	text, err := os.ReadFile(filepath.Join(m.vendor, "modules.txt"))
	if err != nil {
		m.err = err
		return
	}
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) >= 3 && words[0] == "#" {
			m.modules = append(m.modules, Module{Path: words[1], Version: words[2], Dir: filepath.Join(m.vendor, filepath.FromSlash(words[1]))})
		}
	}
}

// LookupError says why a file of a module cannot be found.
type LookupError struct{ What, Fix string }

func (e *LookupError) Error() string {
	if e.Fix == "" {
		return e.What
	}
	return e.What + ": " + e.Fix
}

// Find returns the module of a name with [ModulePrefix], and the slash path of
// the file in the module. An error is a *LookupError.
func (m *Modules) Find(name string) (Module, string, error) {
	wanted := strings.TrimPrefix(name, ModulePrefix)
	if before, after, ok := strings.Cut(wanted, "@"); ok {
		_, file, _ := strings.Cut(after, "/")
		return Module{}, "", &LookupError{
			fmt.Sprintf("%q names a version, and go.mod says which version is used", name),
			fmt.Sprintf("write %s%s, and change the version with go get", ModulePrefix, path.Join(before, file)),
		}
	}
	if m == nil {
		return Module{}, "", &LookupError{"files of Go modules cannot be read here", ""}
	}
	m.once.Do(m.list)
	if m.err != nil {
		return Module{}, "", &LookupError{m.err.Error(), "a go.mod must be here or above, and it must be in order"}
	}
	var found Module
	for _, one := range m.modules {
		if (wanted == one.Path || strings.HasPrefix(wanted, one.Path+"/")) && len(one.Path) > len(found.Path) {
			found = one
		}
	}
	switch {
	case wanted == "" || path.Clean(wanted) != wanted:
		return Module{}, "", &LookupError{fmt.Sprintf("%q is no path in a module", name), "write module:MODULE/PATH"}
	case found.Path == "":
		return Module{}, "", &LookupError{fmt.Sprintf("no module of go.mod has the file %s", wanted), "add the module with go get"}
	case found.Dir == "":
		return Module{}, "", &LookupError{fmt.Sprintf("module %s is not downloaded", found.Path), "run go mod download " + found.Path}
	}
	file := strings.TrimPrefix(strings.TrimPrefix(wanted, found.Path), "/")
	if _, err := os.Stat(filepath.Join(found.Dir, filepath.FromSlash(file))); err != nil {
		if m.vendor != "" && !found.Main {
			return Module{}, "", &LookupError{
				fmt.Sprintf("the vendor folder has no %s: go mod vendor copies only the folders of packages that are imported", wanted),
				"import a Go package of that folder, or use GOFLAGS=-mod=mod",
			}
		}
		return Module{}, "", &LookupError{fmt.Sprintf("module %s%s has no file %s", found.Path, atVersion(found), orHere(file)), "look at its files of this version"}
	}
	return found, file, nil
}

func atVersion(m Module) string {
	if m.Version == "" {
		return ""
	}
	return " " + m.Version
}

// Disk returns the path on disk of a name.
func (m *Modules) Disk(name string) (string, error) {
	found, file, err := m.Find(name)
	if err != nil {
		return "", err
	}
	return filepath.Join(found.Dir, filepath.FromSlash(file)), nil
}

func inModule(name string) bool { return strings.HasPrefix(name, ModulePrefix) }
