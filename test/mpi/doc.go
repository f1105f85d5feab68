// Package mpi runs ranks under the launchers of Open MPI and MPICH: the operations of package
// collective/mpi, and the program, with ranks that die, hang or fail. scripts/test-mpi.sh (make
// test-mpi) finds the launchers; without it, the tests are skipped.
package mpi
