package local

import "syscall"

// attributes puts a child into a process group of its own, so that Ctrl-C in
// our console does not reach the child.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}
