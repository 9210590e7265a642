//go:build unix

package server

import (
	"errors"
	"net"
	"syscall"
)

// awaitDeparture returns true once the client has closed its side of the
// connection, and false when it has sent something or the connection's read
// deadline has passed. It takes no byte off the connection.
func awaitDeparture(c net.Conn) bool {
	source, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := source.SyscallConn()
	if err != nil {
		return false
	}
	departed := false
	var next [1]byte
	err = raw.Read(func(fd uintptr) (done bool) {
		n, _, err := syscall.Recvfrom(int(fd), next[:], syscall.MSG_PEEK)
		if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR) {
			return false
		}
		departed = err != nil || n == 0
		return true
	})
	return err == nil && departed
}
