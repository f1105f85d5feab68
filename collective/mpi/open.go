//go:build mpi && linux && (amd64 || arm64)

package mpi

import (
	"fmt"
	"os"

	"fasternet/collective"
	"fasternet/collective/engine"
	"fasternet/internal/printable"
)

// Built says whether this build can load MPI.
const Built = true

// Open returns the group of the processes that the launcher has started, or a group of this process
// alone if there is no launcher of several. GOMAXPROCS and the size of pools become this rank's share
// of the host.
func Open(o Options) (collective.Group, error) {
	l, err := launched(os.LookupEnv)
	if err != nil {
		return nil, err
	}
	if l.by == "" {
		return collective.Single{}, nil
	}
	if !l.mpi {
		return nil, fmt.Errorf("%s has started this process, without MPI: "+
			"start it with srun --mpi=pmix (or pmi2 for MPICH), or train in one process with %s=%s",
			l, Variable, off)
	}
	host, err := os.Hostname()
	if err != nil {
		host = "a host without name"
	}
	g, err := engine.Open(func() (engine.Wire, error) {
		w, err := dial(l)
		if err != nil {
			return nil, err // not w: a nil *wire would not be a nil Wire
		}
		return w, nil
	}, host, engine.Options{Timeout: o.Timeout, Fail: o.Fail})
	if err != nil {
		return nil, fmt.Errorf("MPI: %w", err)
	}
	pids, err := share(g, o)
	if err != nil {
		return nil, fmt.Errorf("MPI: %w", err)
	}
	fail := o.Fail
	if fail == nil {
		fail = func(message string) { printable.Fprintln(os.Stderr, message) }
	}
	return &group{g, watchSiblings(g, pids, fail)}, nil
}

// Describe says in words which MPI there is.
func Describe() string {
	l, err := launched(os.LookupEnv)
	if err != nil {
		return err.Error()
	}
	var lib *library
	if err = keepSignals(func() error { lib, err = load(l); return err }); err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%s (%s; to use another, set %s)", lib.version(), lib.path, Variable)
}

func dial(l launch) (w *wire, err error) {
	var lib *library
	err = keepSignals(func() error {
		if lib, err = load(l); err == nil {
			w, err = lib.start()
		}
		return err
	})
	if lib == nil {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", lib.path, err)
	}
	if l.size > 0 && w.size != l.size {
		_ = w.Close()
		return nil, fmt.Errorf("%s has started this process, but %s (%s) finds %d: "+
			"the launcher belongs to another MPI; name the library to load in %s (openmpi, mpich or a path)",
			l, lib.version(), lib.path, w.size, Variable)
	}
	return w, nil
}
