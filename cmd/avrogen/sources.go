package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
)

// schemaExtensions are the files that a folder stands for.
//
//nolint:gochecknoglobals // a constant table
var schemaExtensions = []string{".avsc", ".avpr", ".avdl"}

// schemaFiles expands PATHs: a file is itself, a folder its schema files,
// folder/... those below it too, hidden folders left out. Each file comes once,
// sorted. Everything that cannot be read is reported at once; a PATH that
// yields nothing is wrong usage.
func schemaFiles(paths []string) ([]string, error) {
	var files []string
	var failed []error
	for _, path := range paths {
		found, err := expand(path)
		switch {
		case err != nil:
			failed = append(failed, err)
		case len(found) == 0:
			failed = append(failed, usagef("%s: no %s file here", path, strings.Join(schemaExtensions, ", ")))
		}
		files = append(files, found...)
	}
	if err := errors.Join(failed...); err != nil {
		return nil, err
	}
	slices.Sort(files)
	return slices.Compact(files), nil
}

func expand(path string) ([]string, error) {
	root, below := strings.CutSuffix(filepath.ToSlash(path), "...")
	if below && root != "" && !strings.HasSuffix(root, "/") {
		return nil, usagef("%s: write folder/... for everything below a folder", path)
	}
	root = filepath.Clean(filepath.FromSlash(root))
	info, err := os.Stat(root)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		if below {
			return nil, usagef("%s: %s is not a folder", path, root)
		}
		return []string{root}, nil
	}
	var files []string
	err = filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != root && (!below || strings.HasPrefix(entry.Name(), ".")):
			return fs.SkipDir
		case !entry.IsDir() && slices.Contains(schemaExtensions, filepath.Ext(name)):
			files = append(files, name)
		}
		return nil
	})
	return files, err
}

// readSources reads the files that paths stand for. A source is named as the
// user would type it, with slashes. Every unreadable file is reported.
func readSources(paths []string) ([]avsc.Source, error) {
	files, err := schemaFiles(paths)
	if err != nil {
		return nil, err
	}
	sources := make([]avsc.Source, 0, len(files))
	var failed []error
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		sources = append(sources, avsc.Source{Name: filepath.ToSlash(file), Text: text})
	}
	if err := errors.Join(failed...); err != nil {
		return nil, fmt.Errorf("cannot read: %w", err)
	}
	return sources, nil
}
