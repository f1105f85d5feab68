package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"fasternet/checkpoints"
	"fasternet/internal/printable"
	"fasternet/train"
)

// quiet marks a process that leaves messages to another one.
var quiet atomic.Bool

// careful marks a command that finishes something after a request to stop: a run writes its checkpoint.
var careful atomic.Bool

// remaining is the text of what a careful command finishes.
var remaining atomic.Pointer[string]

// finishes marks this command as careful, and says what it finishes.
func finishes(what string) {
	remaining.Store(&what)
	careful.Store(true)
}

// grace is the time that other commands have to end by themselves. Their output gets its name only when it is
// complete, so nothing is lost.
const grace = 2 * time.Second

// interruptions are the requests to stop that a process receives.
type interruptions struct {
	ctx    context.Context
	cancel context.CancelFunc

	mu     sync.Mutex
	first  syscall.Signal // first signal; 0 for none
	asked  int            // number of SIGINT and SIGTERM, which people send on purpose
	forced *time.Timer
	grace  time.Duration
	exit   func(code int) // os.Exit, except in tests
}

// interruptible returns a context that the signals of the process cancel. A closed terminal (SIGHUP) and a
// broken output pipe count as signals; nohup turns SIGHUP off.
func interruptible() *interruptions {
	i := &interruptions{grace: grace, exit: func(code int) {
		_ = running.end() // writes the profiles of a command that did not end in time
		checkpoints.Abandon()
		os.Exit(code)
	}}
	i.ctx, i.cancel = context.WithCancel(context.Background())
	asked := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		asked = append(asked, syscall.SIGHUP)
	}
	signals, pipes := make(chan os.Signal, 8), make(chan os.Signal, 1)
	signal.Notify(signals, asked...)
	signal.Notify(pipes, syscall.SIGPIPE) // otherwise the first unread line would kill the process
	go func() {
		for {
			select {
			case s := <-signals:
				i.take(s.(syscall.Signal))
			case <-pipes:
				if outputBroken() { // it may have been a socket
					i.take(syscall.SIGPIPE)
				}
			}
		}
	}()
	return i
}

// take handles a signal. The first one asks the command to stop. A second SIGINT or SIGTERM ends the process at
// once. SIGHUP does not, because it often comes twice, or together with SIGTERM, when a session ends.
func (i *interruptions) take(s syscall.Signal) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if s == syscall.SIGINT || s == syscall.SIGTERM {
		if i.asked++; i.asked == 2 {
			i.exit(exitCode(i.first))
			return
		}
	}
	if i.first != 0 {
		return
	}
	i.first = s
	if !quiet.Load() {
		i.announce(s)
	}
	i.cancel()
	i.forced = time.AfterFunc(i.grace, func() {
		if !careful.Load() {
			i.exit(exitCode(s))
		}
	})
}

// announce says what happens now, except if the reader of the output has ended.
func (i *interruptions) announce(s syscall.Signal) {
	how := "stopping"
	if careful.Load() {
		how = "stopping after the batch in progress"
		if what := remaining.Load(); what != nil {
			how = "stopping after " + *what
		}
	} else if s == syscall.SIGPIPE {
		return
	}
	if i.asked > 0 {
		how += "; another Ctrl-C or SIGTERM stops at once"
	}
	said := make(chan bool)
	go func() { // a blocked reader must not keep the run from stopping
		printable.Fprintf(os.Stderr, "\n%v: %s\n", s, how)
		close(said)
	}()
	select {
	case <-said:
	case <-time.After(100 * time.Millisecond):
	}
}

// code returns the exit code for the error that a command has ended with. It prints an error that the user does
// not know yet.
func (i *interruptions) code(err error) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.forced != nil {
		i.forced.Stop()
	}
	switch {
	case errors.Is(err, train.ErrTimeLimit):
		return exitCode(syscall.SIGTERM)
	case errors.Is(err, train.ErrInterrupted), errors.Is(err, context.Canceled):
		if i.first == 0 { // another rank was interrupted
			return exitCode(syscall.SIGTERM)
		}
		return exitCode(i.first)
	case errors.Is(err, syscall.EPIPE) && outputBroken(), err == nil && i.first == syscall.SIGPIPE:
		return exitCode(syscall.SIGPIPE)
	}
	return complain(err)
}

// exitCode returns the exit code by which shells recognise a signal.
func exitCode(s syscall.Signal) int { return 128 + int(s) }
