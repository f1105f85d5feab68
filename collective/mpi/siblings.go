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

// siblings are the other ranks of this host. The kernel tells at once when a process
// ends: its sockets are closed. The launcher may not say which rank it was (that of MPICH
// names a process, and not always the right one), and ends the others without a word.
type siblings struct {
	g      *engine.Group
	fail   func(string)
	ranks  []int
	polled []unix.PollFd // the pipe that ends the watch, then a socket of each rank
	end    *os.File      // the other end of that pipe
	once   sync.Once
}

// sign is the address, in no file system, at which a process listens while it lives.
func sign(pid int) *unix.SockaddrUnix {
	return &unix.SockaddrUnix{Name: fmt.Sprintf("@fasternet-train/%d", pid)}
}

// showSign lets the siblings of this process, n at most, see that it lives. Nobody has to
// accept their connections.
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

// group is an engine's, whose ranks look after those of their host.
type group struct {
	*engine.Group
	siblings *siblings
}

// Close is part of collective.Group.
func (g *group) Close() error {
	g.siblings.stop() // before any rank can be through the barrier in there
	return g.Group.Close()
}

// watchSiblings watches the processes of the ranks of this host, by rank; -1 is of
// another host. A rank whose sign cannot be seen is not watched.
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
		s.polled = append(s.polled, unix.PollFd{Fd: int32(fd)}) // the end of a connection is always told
	}
	// Who is asked to stop may be followed by others that are not waited for.
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
		// A process that was stopped, and is woken to be ended, has missed what happened.
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
		if first != s.g.Rank() { // another one says it
			return
		}
		s.fail(fmt.Sprintf("%s: has died: its process has ended without a word, as one does that is killed, for example because the memory is used up", s.g.Name(dead)))
		s.g.Halt()
	}
}
