//go:build !unix

package franz

import "net"

// ended is not known here.
func ended(net.Conn) bool { return false }
