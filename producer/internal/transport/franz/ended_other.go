//go:build !unix

package franz

import "net"

// ended cannot detect a closed connection on this system.
func ended(net.Conn) bool { return false }
