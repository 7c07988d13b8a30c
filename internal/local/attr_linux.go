package local

import "syscall"

// attributes puts a child into a session of its own, so that signals of our
// terminal do not reach the child. The kernel kills the child when our thread
// ends.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
}
