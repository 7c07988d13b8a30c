package source

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// fileID returns text that a file keeps when it is renamed, and that no later
// file has. The text is empty if the file system has no such id. The number of
// the inode is not enough, because a file system gives the number of a removed
// file to the next file. So the time of birth is a part of the id. The number
// of the device is no part, because it may change when the system starts again.
func fileID(f *os.File) string {
	var s unix.Statx_t
	err := unix.Statx(int(f.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_INO|unix.STATX_BTIME, &s)
	if err != nil || s.Mask&unix.STATX_INO == 0 || s.Mask&unix.STATX_BTIME == 0 {
		return ""
	}
	return fmt.Sprintf("%d-%d.%09d", s.Ino, s.Btime.Sec, s.Btime.Nsec)
}

// look is equal for two names of a file, and for few other files.
type look struct{ device, inode uint64 }

func lookOf(info os.FileInfo) look {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return look{uint64(s.Dev), s.Ino} //nolint:unconvert // the type depends on the architecture
	}
	return look{}
}
