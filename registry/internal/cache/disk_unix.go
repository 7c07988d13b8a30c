//go:build unix

package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// checkFolder refuses a folder that another user could write.
func checkFolder(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a folder", dir)
	}
	if err := checkOwner(info); err != nil {
		return fmt.Errorf("the folder %s is not safe: %w (chmod 700, or name a folder below it)", dir, err)
	}
	return nil
}

// checkOwner refuses a file or folder that other users may write, or whose
// owner is neither root nor the user of this process. The check matters because
// the cache decides the meaning of bytes.
func checkOwner(info fs.FileInfo) error {
	if info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("other users may write it (mode %v)", info.Mode().Perm())
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid != 0 && int64(stat.Uid) != int64(os.Geteuid()) {
		return errors.New("it belongs to another user")
	}
	return nil
}
