package cli

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"fasternet/train"
)

// The first signal stops a command, and decides the exit code. A second one that people send on purpose ends
// the process at once; a signal from the end of a session does not.
func TestInterruptions(t *testing.T) {
	const hup, pipe, term, interrupt = syscall.SIGHUP, syscall.SIGPIPE, syscall.SIGTERM, syscall.SIGINT
	defer careful.Store(careful.Load())
	careful.Store(true)
	for _, c := range []struct {
		signals []syscall.Signal
		exit    int // exit code at once; 0 for none
		code    int // exit code of a command that ends by itself
	}{
		{[]syscall.Signal{term}, 0, 143},
		{[]syscall.Signal{interrupt}, 0, 130},
		{[]syscall.Signal{hup}, 0, 129},
		{[]syscall.Signal{pipe}, 0, 141},
		{[]syscall.Signal{hup, hup, term, hup, pipe}, 0, 129},
		{[]syscall.Signal{term, hup, hup}, 0, 143},
		{[]syscall.Signal{term, term}, 143, 143},
		{[]syscall.Signal{interrupt, hup, term}, 130, 130},
		{[]syscall.Signal{hup, term, interrupt}, 129, 129},
	} {
		var exits []int
		i := &interruptions{grace: time.Hour, exit: func(code int) { exits = append(exits, code) }}
		i.ctx, i.cancel = context.WithCancel(t.Context())
		quiet.Store(true)
		for _, s := range c.signals {
			i.take(s)
		}
		quiet.Store(false)
		want := "[]"
		if c.exit != 0 {
			want = fmt.Sprint([]int{c.exit})
		}
		if fmt.Sprint(exits) != want || i.ctx.Err() == nil {
			t.Errorf("%v: exits %v, want %s; the context is %v", c.signals, exits, want, i.ctx.Err())
		}
		for _, err := range []error{train.ErrInterrupted, fmt.Errorf("deep: %w", context.Canceled)} {
			if got := i.code(err); got != c.code {
				t.Errorf("%v: exit code %d, want %d", c.signals, got, c.code)
			}
		}
	}
	i := &interruptions{}
	for _, test := range []struct {
		code int
		err  error
	}{{0, nil}, {143, errors.Join(train.ErrInterrupted, train.ErrTimeLimit)}} {
		t.Run(fmt.Sprint(test.code), func(t *testing.T) {
			if got := i.code(test.err); got != test.code {
				t.Errorf("without a signal: exit code %d for %v, want %d", got, test.err, test.code)
			}
		})
	}
}

// A command that ignores signals is ended after a while, but not while it writes a checkpoint.
func TestGrace(t *testing.T) {
	defer careful.Store(careful.Load())
	quiet.Store(true)
	defer quiet.Store(false)
	for _, c := range []struct {
		name    string
		careful bool
		want    string // exit codes
	}{{"a command that ignores signals", false, "[129]"}, {"one that writes a checkpoint", true, "[]"}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				careful.Store(c.careful)
				var exits []int
				i := &interruptions{grace: grace, exit: func(code int) { exits = append(exits, code) }}
				i.ctx, i.cancel = context.WithCancel(t.Context())
				i.take(syscall.SIGHUP)
				time.Sleep(grace - 1)
				synctest.Wait()
				if len(exits) > 0 {
					t.Errorf("it exits with %d before the time of grace is over", exits)
				}
				time.Sleep(time.Hour)
				synctest.Wait()
				if fmt.Sprint(exits) != c.want {
					t.Errorf("it exits with %d, want %s", exits, c.want)
				}
			})
		})
	}
}
