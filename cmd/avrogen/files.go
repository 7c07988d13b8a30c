package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// writeFile replaces a file as a whole, or leaves it as it was: whoever reads
// it meanwhile sees the old or the new content. It makes the folder, and does
// not touch a file that already has the content. An existing file keeps its
// permissions.
func writeFile(name string, content []byte) error {
	mode := fs.FileMode(0o644)
	if old, err := os.ReadFile(name); err == nil {
		if bytes.Equal(old, content) {
			return nil
		}
		if info, err := os.Stat(name); err == nil {
			mode = info.Mode().Perm()
		}
	}
	dir := filepath.Dir(name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	temp, err := os.CreateTemp(dir, "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	_, err = temp.Write(content)
	err = errors.Join(err, temp.Chmod(mode), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	return nil
}
