//go:build unix

package franz

import (
	"net"
	"syscall"
)

// ended reports whether the peer has closed a connection that no goroutine
// reads. The kernel accepts a write to such a connection, but the peer never
// gets the bytes.
func ended(c net.Conn) bool {
	if secure, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = secure.NetConn()
	}
	raw, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	socket, err := raw.SyscallConn()
	if err != nil {
		return false
	}
	closed := false
	err = socket.Read(func(fd uintptr) bool {
		n, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		closed = n == 0 && err == nil || err == syscall.ECONNRESET
		return true
	})
	return closed && err == nil
}
