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

// ranks is the part of this process in a run of several that a launcher of MPI has
// started; usually it is the only one.
type ranks struct {
	timeout time.Duration
	logAll  bool

	collective.Group
	ended bool
}

func (r *ranks) register(c *cobra.Command) {
	c.Flags().DurationVar(&r.timeout, "rank-timeout", engine.DefaultTimeout, "how long ranks of MPI wait for one before the job is ended: longer than rank 0 takes to save alone")
	c.Flags().BoolVar(&r.logAll, "log-all-ranks", false, "show what all ranks of MPI log, each line with its rank, and not rank 0's alone")
}

// open finds the others.
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
		return told{err} // rank 0 says it
	}
	if err == nil && r.Rank() > 0 {
		quiet.Store(true)
	}
	return err
}

// first says whether this is the rank that writes and speaks.
func (r *ranks) first() bool { return r.Rank() == 0 }

// log is where this rank says how the run goes.
func (r *ranks) log() io.Writer {
	switch {
	case r.Size() > 1 && r.logAll:
		return &prefixed{out: messages(), prefix: fmt.Sprintf("[rank %d] ", r.Rank())}
	case r.first():
		return messages()
	}
	return io.Discard
}

// program names the program for the comparison of the ranks: of a build without a
// version the content tells.
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

// only lets rank 0 do something; all know whether it could.
func (r *ranks) only(f func() error) (err error) {
	if r.first() {
		err = f()
	}
	return collective.Agree(r.Group, err)
}

// leave ends the part of this process. An error that all ranks know is told once, by
// rank 0, before any of them ends: the launcher stops the others then. Of another one they
// know nothing, and would wait: it ends the job.
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

// fall ends the job when this rank panics.
func (r *ranks) fall() {
	if r.Group == nil || r.Size() == 1 {
		return
	}
	if v := recover(); v != nil {
		r.Abort(fmt.Errorf("internal error: %v; please report it", v))
	}
}

// told is an error that has been printed; it only tells the exit code.
type told struct{ error }

func (e told) Unwrap() error { return e.error }

// prefixed writes lines that begin with a prefix.
type prefixed struct {
	mu     sync.Mutex
	out    io.Writer
	prefix string
	rest   []byte // of a line that has not ended
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
		// One write a line: the launcher mixes the lines of ranks, but does not cut them.
		if _, err := p.out.Write(append([]byte(p.prefix), p.rest[:end+1]...)); err != nil {
			return 0, err
		}
		p.rest = p.rest[end+1:]
	}
}
