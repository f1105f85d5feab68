package cli

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime/pprof"
	"runtime/trace"
	"sync"

	"fasternet/checkpoints"
	"fasternet/collective"

	"github.com/spf13/cobra"
)

// profiles are files with measurements of the program itself.
type profiles struct {
	cpu, memory, trace string
}

func (p *profiles) register(c *cobra.Command) {
	c.Flags().StringVar(&p.cpu, "cpuprofile", "", "write a CPU profile to a `file`, for go tool pprof")
	c.Flags().StringVar(&p.memory, "memprofile", "", "write a memory profile to a `file`, for go tool pprof")
	c.Flags().StringVar(&p.trace, "trace", "", "write a trace of the goroutines to a `file`, for go tool trace")
}

// around measures a command without ranks.
func (p *profiles) around(c *cobra.Command) {
	p.register(c)
	run := c.RunE
	c.RunE = func(cmd *cobra.Command, args []string) (err error) {
		stop, err := p.start(nil)
		if err != nil {
			return err
		}
		defer stop(&err)
		return run(cmd, args)
	}
}

// start begins the measurements. An error names a file that cannot be written, on any rank. The returned
// function ends the measurements and writes the files, under their names only when they are complete; it adds
// its errors to the command's. With several ranks, each has its own files.
func (p *profiles) start(r *ranks) (stop func(*error), err error) {
	all, err := p.begin(r)
	if r != nil {
		err = collective.Agree(r, err)
	}
	if err != nil {
		for _, x := range all {
			_ = x.end(false)
		}
		return nil, err
	}
	running.set(all)
	return func(err *error) {
		if failure := running.end(); failure != nil {
			*err = errors.Join(*err, failure)
		}
	}, nil
}

func (p *profiles) begin(r *ranks) (all []*profile, err error) {
	ending := ""
	if r != nil && r.Rank() > 0 {
		ending = fmt.Sprintf(".rank%d", r.Rank())
	}
	seen := map[string]string{}
	for _, kind := range []struct {
		flag, path string
		begin, end func(io.Writer) error
	}{
		{
			flag:  "cpuprofile",
			path:  p.cpu,
			begin: pprof.StartCPUProfile,
			end:   func(io.Writer) error { pprof.StopCPUProfile(); return nil },
		},
		{flag: "trace", path: p.trace, begin: trace.Start, end: func(io.Writer) error { trace.Stop(); return nil }},
		{
			flag: "memprofile",
			path: p.memory,
			end:  func(w io.Writer) error { return pprof.Lookup("allocs").WriteTo(w, 0) },
		},
	} {
		if kind.path == "" {
			continue
		}
		path := filepath.Clean(kind.path)
		if other := seen[path]; other != "" {
			return all, usageError{fmt.Errorf("--%s: %s is the file of --%s: give another",
				kind.flag, kind.path, other)}
		}
		seen[path] = kind.flag
		x, err := beginProfile(path+ending, kind.begin, kind.end)
		if err != nil {
			return all, fmt.Errorf("--%s: %w", kind.flag, err)
		}
		all = append(all, x)
	}
	return all, nil
}

// profile is a file that is being written.
type profile struct {
	finish  chan bool // whether to keep it
	written chan error
}

// errDropped ends a profile that is not kept.
var errDropped = errors.New("the command did not begin")

// beginProfile creates the file and begins.
func beginProfile(path string, begin, end func(io.Writer) error) (*profile, error) {
	if err := checkpoints.Writable(path); err != nil {
		return nil, err
	}
	p := &profile{make(chan bool), make(chan error, 1)}
	began := make(chan error, 2)
	go func() {
		err := checkpoints.WriteAtomic(path, func(w io.Writer) error {
			if begin != nil {
				if err := begin(w); err != nil {
					return err
				}
			}
			began <- nil
			keep := <-p.finish
			err := end(w)
			if !keep {
				err = errDropped
			}
			return err
		})
		began <- err // only read if it could not begin
		p.written <- err
	}()
	if err := <-began; err != nil {
		return nil, err
	}
	return p, nil
}

// end ends the measurement, and writes or drops the file.
func (p *profile) end(keep bool) error {
	p.finish <- keep
	return <-p.written
}

// runningProfiles belong to the command in progress. A signal that ends the process at once also ends them.
type runningProfiles struct {
	mu  sync.Mutex
	all []*profile
}

var running runningProfiles

func (r *runningProfiles) set(all []*profile) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = all
}

// end writes the files.
func (r *runningProfiles) end() (err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.all {
		err = errors.Join(err, p.end(true))
	}
	r.all = nil
	return err
}
