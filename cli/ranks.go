package cli

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"fasternet/collective"
	"fasternet/collective/engine"
	"fasternet/collective/mpi"
	"fasternet/internal/printable"
	"fasternet/train"

	"github.com/spf13/cobra"
)

// ranks is this process among several that an MPI launcher has started; usually it is the only one.
type ranks struct {
	timeout time.Duration
	logAll  bool

	collective.Group
	ended bool
}

func (r *ranks) register(c *cobra.Command) {
	c.Flags().DurationVar(&r.timeout, "rank-timeout", engine.DefaultTimeout,
		"MPI: how long ranks wait for one before they end the job; must be longer than rank 0 takes to save")
	c.Flags().BoolVar(&r.logAll, "log-all-ranks", false,
		"MPI: show the log of all ranks, each line with its rank, not only of rank 0")
}

// open connects to the other ranks.
func (r *ranks) open() (err error) {
	if r.timeout < time.Second {
		return usageError{fmt.Errorf("--rank-timeout: want 1s or more, got %v", r.timeout)}
	}
	r.Group, err = mpi.Open(mpi.Options{
		Timeout: r.timeout,
		Note:    func(line string) { printable.Fprintln(messages(), line) },
		Fail:    func(message string) { complain(errors.New(message)) },
	})
	if rank, ok := mpi.Launched(); err != nil && ok && rank > 0 && !mpi.Built {
		return told{err} // rank 0 prints it
	}
	if err == nil && r.Rank() > 0 {
		quiet.Store(true)
	}
	return err
}

// first reports whether this rank writes files and messages.
func (r *ranks) first() bool { return r.Rank() == 0 }

// log receives the messages of this rank about the run.
func (r *ranks) log() io.Writer {
	switch {
	case r.Size() > 1 && r.logAll:
		return &prefixed{out: messages(), prefix: fmt.Sprintf("[rank %d] ", r.Rank())}
	case r.first():
		return messages()
	}
	return io.Discard
}

// program identifies the program, so that ranks can compare it: a build without a version by its content.
func (r *ranks) program() string {
	name := version + revision()
	if r.Size() == 1 {
		return name
	}
	path, err := os.Executable()
	if err != nil {
		return name
	}
	f, err := os.Open(path)
	if err != nil {
		return name
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return name
	}
	return fmt.Sprintf("%s, SHA-256 %x", name, h.Sum(nil)[:8])
}

// only runs something on rank 0, and tells all ranks whether it succeeded.
func (r *ranks) only(f func() error) (err error) {
	if r.first() {
		err = f()
	}
	return collective.Agree(r.Group, err)
}

// leave ends this process. Rank 0 prints an error that all ranks know, once and before any of them ends,
// because the launcher then stops the others. An error of a single rank ends the job, because the others would
// wait for it.
func (r *ranks) leave(err error) error {
	if r.Group == nil || r.Size() == 1 || r.ended {
		return err
	}
	r.ended = true
	if err != nil {
		var known *collective.RankError
		var diverged *train.DivergedError
		if !errors.As(err, &known) && !errors.As(err, &diverged) && !errors.Is(err, train.ErrInterrupted) {
			r.Abort(err)
		}
		if r.first() && !errors.Is(err, train.ErrInterrupted) {
			complain(err)
		}
		err = told{err}
	}
	if failure := r.Close(); failure != nil && err == nil {
		err = failure
	}
	return err
}

// fall ends the job if this rank panics.
func (r *ranks) fall() {
	if r.Group == nil || r.Size() == 1 {
		return
	}
	if v := recover(); v != nil {
		r.Abort(fmt.Errorf("internal error: %v; please report it", v))
	}
}

// told is an error that has been printed; it only carries the exit code.
type told struct{ error }

func (e told) Unwrap() error { return e.error }

// prefixed writes lines with a prefix.
type prefixed struct {
	mu     sync.Mutex
	out    io.Writer
	prefix string
	rest   []byte // unfinished line
}

func (p *prefixed) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rest = append(p.rest, b...)
	for {
		end := bytes.IndexByte(p.rest, '\n')
		if end < 0 {
			return len(b), nil
		}
		// One write per line: the launcher mixes the lines of ranks, but does not cut them.
		if _, err := p.out.Write(append([]byte(p.prefix), p.rest[:end+1]...)); err != nil {
			return 0, err
		}
		p.rest = p.rest[end+1:]
	}
}
