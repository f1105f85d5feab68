// Package mpi opens the group of the processes that an MPI launcher (mpirun, srun, mpiexec) has
// started. In a build with the tag mpi it loads the library when the program runs: Open MPI, MPICH,
// or one with MPICH's binary interface (Intel MPI, MVAPICH, Cray). So one program works with all of
// them, and needs no C compiler. Other builds notice a launcher, and say what to do.
package mpi

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

// Variable names the MPI library to load: a path, "openmpi" or "mpich". "off" trains without MPI,
// for tasks of srun that are independent.
const Variable = "FASTERNET_MPI"

const off = "off"

// Options are the settings of a group.
type Options struct {
	// Timeout is how long ranks wait for another one before the job ends. 0 means
	// engine.DefaultTimeout.
	Timeout time.Duration
	// Note is called on rank 0 with lines that a user should know about the group. nil drops
	// them.
	Note func(line string)
	// Fail prints the message of a job that ends. nil prints to standard error.
	Fail func(message string)
}

// launch is what the environment says about the launcher.
type launch struct {
	by   string // the variable that shows it
	size int    // 0 if it is not known
	open bool   // the launcher belongs to Open MPI
	mpi  bool   // an MPI library can find the other ranks
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
			return launch{}, fmt.Errorf("the environment variable %s is %q, not a number of processes; "+
				"%s=%s trains in one process", l.by, v, Variable, off)
		}
		if _, pmix := lookup("PMIX_RANK"); pmix { // Open MPI speaks PMIx, MPICH does not
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
	if _, ok := lookup("PMIX_RANK"); ok { // it tells no size
		return launch{by: "PMIX_RANK", open: true, mpi: true}, nil
	}
	return launch{}, nil
}

// Launched says whether a launcher has started several processes of which this is one, and which
// one, as far as the environment tells.
func Launched() (rank int, ok bool) {
	l, err := launched(os.LookupEnv)
	if err != nil || l.by == "" {
		return 0, false
	}
	names := []string{"OMPI_COMM_WORLD_RANK", "PMI_RANK", "MV2_COMM_WORLD_RANK", "PMIX_RANK", "SLURM_PROCID"}
	for _, name := range names {
		if v, set := os.LookupEnv(name); set {
			if rank, err = strconv.Atoi(v); err == nil {
				break
			}
		}
	}
	return rank, true
}

// String returns a name for the launcher, for messages.
func (l launch) String() string {
	if l.size == 0 {
		return fmt.Sprintf("a launcher of MPI (%s is set)", l.by)
	}
	return fmt.Sprintf("a launcher of %d processes (%s=%d)", l.size, l.by, l.size)
}
