#!/bin/sh
# Tests ranks under Open MPI and MPICH: the operations, and the program with ranks that die,
# hang or fail. Everything stays on this machine (shared memory and loopback).
#
# Needs Go, and Open MPI or MPICH. With CI=true, as root on Debian, the script installs both.
# Otherwise it skips what is missing, with a message. Arguments go to go test:
#
#   scripts/test-mpi.sh -v -run TestOperations
set -eu
cd "$(dirname "$0")/.."

# is LAUNCHER PATTERN: the launcher is there, and its version matches the pattern.
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
        echo "test-mpi: cannot install Open MPI; install Debian's openmpi-bin" >&2
        exit 1
    }
fi
open=$(find_open)
mpich=$(find_mpich)
[ -n "$open$mpich" ] || {
    echo "test-mpi: SKIPPED, training on several ranks is untested: install an MPI (Debian: openmpi-bin, mpich)"
    exit 0
}
[ -n "$open" ] || echo "test-mpi: tests MPICH only; for Open MPI, install it (Debian: openmpi-bin)"
[ -n "$mpich" ] || echo "test-mpi: tests Open MPI only; for MPICH, install it (Debian: mpich)"
CGO_ENABLED=0 go vet -tags mpi ./collective/... ./cli
CGO_ENABLED=0 go test -count=1 -timeout 30m "$@" ./test/mpi -args -openmpi="$open" -mpich="$mpich"
