// Package mpi opens the group of the processes that an MPI launcher (mpirun, srun,
// mpiexec) has started. Open MPI and MPICH, and what has the binary interface of MPICH
// (Intel MPI, MVAPICH, Cray), are loaded when the program runs, in a build with the tag
// mpi: one program for all of them, made without a C compiler. Other builds know a
// launcher when they see one, and say what to do.
package mpi

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

// Variable names the MPI library to load: a path, "openmpi" or "mpich"; "off" trains
// without MPI, as in tasks of srun that have nothing to do with each other.
const Variable = "FASTERNET_MPI"

const off = "off"

// Options are the properties of a group.
type Options struct {
	// Timeout is how long ranks wait for one before the job is ended. 0 means
	// engine.DefaultTimeout.
	Timeout time.Duration
	// Note gets what a user should know of the group, a line at a time, on rank 0. nil
	// drops it.
	Note func(line string)
	// Fail prints the message of a job that ends. nil prints to standard error.
	Fail func(message string)
}

// launch is what the environment says of the launcher.
type launch struct {
	by   string // the variable that shows it
	size int    // 0 if that is not known
	open bool   // Open MPI's
	mpi  bool   // a library of MPI can be expected to find the other ranks
}

// launched looks for a launcher of more than one process; the zero launch means none.
func launched(lookup func(string) (string, bool)) (launch, error) {
	if v, _ := lookup(Variable); v == off {
		return launch{}, nil
	}
	for _, l := range []launch{
		{by: "OMPI_COMM_WORLD_SIZE", open: true, mpi: true}, // mpirun of Open MPI
		{by: "PMI_SIZE", mpi: true},                         // mpirun of MPICH, Intel MPI; srun --mpi=pmi2
		{by: "MV2_COMM_WORLD_SIZE", mpi: true},              // MVAPICH
		{by: "SLURM_STEP_NUM_TASKS"},                        // srun
	} {
		v, ok := lookup(l.by)
		if !ok {
			continue
		}
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			return launch{}, fmt.Errorf("the environment variable %s is %q, not a number of processes; %s=%s trains in one process", l.by, v, Variable, off)
		}
		if _, pmix := lookup("PMIX_RANK"); pmix { // which MPICH of today does not speak
			l.mpi, l.open = true, true
		}
		if _, pmi := lookup("PMI_RANK"); pmi {
			l.mpi = true
		}
		l.size = n
		if n == 1 {
			l = launch{}
		}
		return l, nil
	}
	if _, ok := lookup("PMIX_RANK"); ok { // says no size
		return launch{by: "PMIX_RANK", open: true, mpi: true}, nil
	}
	return launch{}, nil
}

// Launched says whether this process is one of several that a launcher has started, and
// which, as far as the environment tells.
func Launched() (rank int, ok bool) {
	l, err := launched(os.LookupEnv)
	if err != nil || l.by == "" {
		return 0, false
	}
	for _, name := range []string{"OMPI_COMM_WORLD_RANK", "PMI_RANK", "MV2_COMM_WORLD_RANK", "PMIX_RANK", "SLURM_PROCID"} {
		if v, set := os.LookupEnv(name); set {
			if rank, err = strconv.Atoi(v); err == nil {
				break
			}
		}
	}
	return rank, true
}

// String names the launcher for messages.
func (l launch) String() string {
	if l.size == 0 {
		return fmt.Sprintf("a launcher of MPI (%s is set)", l.by)
	}
	return fmt.Sprintf("a launcher of %d processes (%s=%d)", l.size, l.by, l.size)
}
