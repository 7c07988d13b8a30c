// Package local runs other people's servers as local processes for tests. The
// package keeps downloads in a cache and ends every process.
package local

import (
	"fmt"
	"os"
	"path/filepath"
)

// Cached returns the folder with this name in the user's cache, or in
// AVROLINE_TEST_CACHE. If the folder does not exist, fill writes a temporary
// folder, which is then renamed. So the folder is complete or absent. Two
// processes may fill the folder at the same time.
func Cached(name string, fill func(dir string) error) (string, error) {
	root := os.Getenv("AVROLINE_TEST_CACHE")
	if root == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("no cache folder, set AVROLINE_TEST_CACHE: %w", err)
		}
		root = filepath.Join(dir, "avroline")
	}
	dir := filepath.Join(root, name)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		return "", fmt.Errorf("cache folder: %w", err)
	}
	work, err := os.MkdirTemp(root, name+"-")
	if err != nil {
		return "", fmt.Errorf("cache folder: %w", err)
	}
	defer os.RemoveAll(work)
	if err := fill(work); err != nil {
		return "", err
	}
	if err := os.Chmod(work, 0o755); err != nil {
		return "", fmt.Errorf("cache folder: %w", err)
	}
	if err := os.Rename(work, dir); err != nil {
		if _, serr := os.Stat(dir); serr == nil {
			return dir, nil // another process was first
		}
		return "", fmt.Errorf("cache folder: %w", err)
	}
	return dir, nil
}

// Tail returns the end of a log, at most n bytes, for the text of an error.
func Tail(log []byte, n int) []byte {
	if len(log) > n {
		return log[len(log)-n:]
	}
	return log
}
