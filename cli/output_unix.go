//go:build unix

package cli

import "golang.org/x/sys/unix"

// outputBroken reports whether nobody reads the standard output or the standard error any more.
func outputBroken() bool {
	fds := []unix.PollFd{{Fd: 1}, {Fd: 2}}
	if _, err := unix.Poll(fds, 0); err != nil {
		return false
	}
	const gone = unix.POLLERR | unix.POLLHUP
	return fds[0].Revents&gone != 0 || fds[1].Revents&gone != 0
}
