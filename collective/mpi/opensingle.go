//go:build !(mpi && linux && (amd64 || arm64))

package mpi

import (
	"fmt"
	"os"

	"fasternet/collective"
)

// Built says whether this build can load MPI.
const Built = false

// Open returns a group of this process alone. Under a launcher of several processes it fails: each of
// them would train by itself.
func Open(Options) (collective.Group, error) {
	l, err := launched(os.LookupEnv)
	if err != nil {
		return nil, err
	}
	if l.by != "" {
		return nil, fmt.Errorf("%s has started this process, but this build has no MPI: "+
			"build one that has with make build-mpi (Linux, go build -tags mpi), or train in one process with %s=%s",
			l, Variable, off)
	}
	return collective.Single{}, nil
}

// Describe says in words which MPI there is.
func Describe() string { return "not in this build (make build-mpi)" }
