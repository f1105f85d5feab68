#!/bin/sh
# Ranks under Open MPI and MPICH: the operations, and the program with ranks that die,
# hang or fail. Everything stays on this machine (shared memory and loopback).
#
# Needs Go and Open MPI. It is installed where CI=true, as root on Debian (with MPICH);
# elsewhere what there is not is skipped with a message. Arguments go to go test:
#
#   scripts/test-mpi.sh -v -run TestOperations
set -eu
cd "$(dirname "$0")/.."

# version of the launcher $1, if it belongs to $2.
is() { command -v "$1" >/dev/null && "$1" --version 2>&1 | grep -q "$2"; }

find_open() {
    for m in mpirun.openmpi mpirun; do
        if is $m "Open MPI\|OpenRTE"; then
            command -v $m
            return
        fi
    done
}

find_mpich() {
    for m in mpirun.mpich mpirun; do
        if is $m HYDRA; then
            command -v $m
            return
        fi
    done
}

if [ "${CI:-}" = true ] && [ -z "$(find_open)" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        (apt-get update -q && apt-get install -y -q --no-install-recommends openmpi-bin mpich) >&2 || true
    fi
    [ -n "$(find_open)" ] || {
        echo "test-mpi: Open MPI cannot be had" >&2
        exit 1
    }
fi
open=$(find_open)
mpich=$(find_mpich)
[ -n "$open$mpich" ] || {
    echo "test-mpi: SKIPPED: there is no MPI (Debian: openmpi-bin, mpich), so nobody has tried training on several ranks"
    exit 0
}
[ -n "$open" ] || echo "test-mpi: there is no Open MPI (Debian: openmpi-bin): only MPICH is tried"
[ -n "$mpich" ] || echo "test-mpi: there is no MPICH (Debian: mpich): only Open MPI is tried"
CGO_ENABLED=0 go vet -tags mpi ./collective/... ./cli
CGO_ENABLED=0 go test -count=1 -timeout 10m "$@" ./test/mpi -args -openmpi="$open" -mpich="$mpich"
