//go:build !unix

package cache

import (
	"fmt"
	"io/fs"
	"os"
)

// checkFolder checks that dir is a folder. checkFolder does not look at the
// permissions of this operating system. Keep the folder inside the user's own
// profile.
func checkFolder(dir string) error {
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is not a folder", dir)
	}
	return err
}

func checkOwner(fs.FileInfo) error { return nil }
