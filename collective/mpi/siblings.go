//go:build mpi && linux && (amd64 || arm64)

package mpi

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"fasternet/collective/engine"

	"golang.org/x/sys/unix"
)

// siblings are the other ranks on this host. The kernel tells at once when a process ends, because
// its sockets are closed. The launcher may not say which rank it was (MPICH's names a process, not
// always the right one), and ends the others without a message.
type siblings struct {
	g      *engine.Group
	fail   func(string)
	ranks  []int
	polled []unix.PollFd // the pipe that ends the watch, then a socket of each rank
	end    *os.File      // the other end of that pipe
	once   sync.Once
}

// sign returns the address at which a process listens while it lives. It is in no file system.
func sign(pid int) *unix.SockaddrUnix {
	return &unix.SockaddrUnix{Name: fmt.Sprintf("@fasternet-train/%d", pid)}
}

// showSign lets the siblings of this process, at most n, see that it lives. Nobody needs to accept
// their connections.
func showSign(n int) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Bind(fd, sign(os.Getpid()))
	}
	if err == nil {
		err = unix.Listen(fd, n)
	}
	return err
}

// group is an engine's group whose ranks also watch the ranks on their host.
type group struct {
	*engine.Group
	siblings *siblings
}

// Close implements collective.Group.
func (g *group) Close() error {
	g.siblings.stop() // before the barrier in the next line, after which ranks may end
	return g.Group.Close()
}

// watchSiblings watches the processes of the ranks on this host, given by rank; -1 is a rank on
// another host. It does not watch a rank whose sign it cannot see.
func watchSiblings(g *engine.Group, pids []int, fail func(string)) *siblings {
	s := &siblings{g: g, fail: fail}
	read, write, err := os.Pipe()
	if err != nil {
		return s
	}
	s.end = write
	s.polled = []unix.PollFd{{Fd: int32(read.Fd()), Events: unix.POLLIN}}
	for r, pid := range pids {
		if r == g.Rank() || pid < 0 {
			continue
		}
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			err = unix.Connect(fd, sign(pid))
		}
		if err != nil {
			continue
		}
		s.ranks = append(s.ranks, r)
		s.polled = append(s.polled, unix.PollFd{Fd: int32(fd)}) // the kernel always reports a hangup
	}
	// If this process was asked to stop, its siblings may stop too; that is not a failure.
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM, syscall.SIGINT)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(asked, syscall.SIGHUP)
	}
	go func() {
		<-asked
		s.stop()
	}()
	go func() {
		defer read.Close()
		s.run()
	}()
	return s
}

func (s *siblings) stop() {
	s.once.Do(func() {
		if s.end != nil {
			_ = s.end.Close()
		}
	})
}

func (s *siblings) run() {
	const glance = 500 * time.Millisecond
	for {
		before := time.Now()
		if _, err := unix.Poll(s.polled, int(glance.Milliseconds())); err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
		// A process that was stopped, and is woken up only to be ended, has missed what happened.
		if s.polled[0].Revents != 0 || s.g.Ending() || time.Since(before) > 3*glance {
			return
		}
		first, dead := s.g.Rank(), -1
		for i, r := range s.ranks {
			if s.polled[i+1].Revents == 0 {
				first = min(first, r)
			} else if dead < 0 {
				dead = r
			}
		}
		if dead < 0 {
			continue
		}
		if first != s.g.Rank() { // another rank reports it
			return
		}
		s.fail(fmt.Sprintf("%s: has died: its process has ended without a word, as one does that is killed, "+
			"for example because the memory is used up", s.g.Name(dead)))
		s.g.Halt()
	}
}
