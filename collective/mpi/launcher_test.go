package mpi

import (
	"fmt"
	"strings"
	"testing"
)

func TestLaunched(t *testing.T) {
	for _, c := range []struct {
		name string
		env  map[string]string
		want launch
	}{
		{"nothing", nil, launch{}},
		{
			"mpirun of Open MPI",
			map[string]string{"OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "1", "PMIX_RANK": "1"},
			launch{"OMPI_COMM_WORLD_SIZE", 4, true, true},
		},
		{"mpirun of MPICH", map[string]string{"PMI_SIZE": "3", "PMI_RANK": "0"}, launch{"PMI_SIZE", 3, false, true}},
		{"one process", map[string]string{"OMPI_COMM_WORLD_SIZE": "1"}, launch{}},
		{
			"srun without MPI",
			map[string]string{"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "1"},
			launch{"SLURM_STEP_NUM_TASKS", 2, false, false},
		},
		{
			"srun with PMIx",
			map[string]string{"SLURM_STEP_NUM_TASKS": "2", "PMIX_RANK": "1"},
			launch{"SLURM_STEP_NUM_TASKS", 2, true, true},
		},
		{"in a batch script", map[string]string{"SLURM_NTASKS": "8", "SLURM_PROCID": "0"}, launch{}},
		{"PMIx alone", map[string]string{"PMIX_RANK": "0"}, launch{"PMIX_RANK", 0, true, true}},
		{"switched off", map[string]string{"OMPI_COMM_WORLD_SIZE": "4", Variable: "off"}, launch{}},
	} {
		got, err := launched(func(k string) (string, bool) { v, ok := c.env[k]; return v, ok })
		if err != nil || got != c.want {
			t.Errorf("%s: got %+v, %v, want %+v", c.name, got, err, c.want)
		}
	}
	for _, size := range []string{"", "many", "-1", "0"} {
		_, err := launched(func(k string) (string, bool) { return size, k == "PMI_SIZE" })
		if err == nil || !strings.Contains(err.Error(), "PMI_SIZE") {
			t.Errorf("PMI_SIZE=%q: %v", size, err)
		}
	}
}

func TestOpenUnderALauncherOfAnotherBuild(t *testing.T) {
	if Built {
		t.Skip("this build has MPI")
	}
	t.Setenv("OMPI_COMM_WORLD_SIZE", "4")
	t.Setenv("OMPI_COMM_WORLD_RANK", "2")
	if _, err := Open(Options{}); err == nil || !strings.Contains(err.Error(), "make build-mpi") {
		t.Errorf("got %v", err)
	}
	if rank, ok := Launched(); rank != 2 || !ok {
		t.Errorf("rank %d, %v", rank, ok)
	}
}

// Without a launcher the group is this process alone.
func ExampleOpen() {
	g, err := Open(Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer g.Close()
	gradients := []float32{1, 2, 3}
	wait := g.Start(gradients) // goes on while the caller computes
	if err := wait(); err != nil {
		fmt.Println(err)
	}
	fmt.Println(g.Size(), gradients)
	// Output: 1 [1 2 3]
}
