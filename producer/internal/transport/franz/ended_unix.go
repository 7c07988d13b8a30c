//go:build unix

package franz

import (
	"net"
	"syscall"
)

// ended reports whether the peer has closed a connection. ended takes no bytes
// out of the connection, so another goroutine may read at the same time. The
// kernel accepts a write to a closed connection, but the peer never gets the
// bytes.
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
	err = socket.Control(func(fd uintptr) {
		n, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		closed = n == 0 && err == nil || err == syscall.ECONNRESET
	})
	return closed && err == nil
}
