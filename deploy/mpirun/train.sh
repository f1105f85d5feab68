#!/bin/sh
# Trains on the hosts of a file, with Open MPI or MPICH:
#
#   deploy/mpirun/train.sh openmpi hosts.openmpi fasternet_s --data /shared/imagenet
#   deploy/mpirun/train.sh mpich hosts.mpich fasternet_s --data /shared/imagenet
#
# To stop it with a checkpoint, at once with either MPI, on one of the hosts:
#
#   pkill -TERM -x fasternet-train
#
# The hosts are reached by ssh without a password. All of them have this folder and the
# data under the same paths, the program of make build-mpi in the PATH that ssh gives, and
# the same MPI. The ranks of a host divide its processors. MPIRUN names another launcher
# than mpirun: Debian, with both installed, has mpirun.openmpi and mpirun.mpich. Of several
# networks NETWORK is the one that the hosts share: 192.168.7.0/24 for Open MPI, the name of
# the interface for MPICH.
set -eu

if [ $# -lt 3 ]; then
    echo "usage: $0 openmpi|mpich HOSTFILE CONFIG [flags of fasternet-train train]" >&2
    exit 2
fi
mpi=$1
hosts=$2
shift 2

case $mpi in
openmpi)
    # Without --bind-to none few ranks get one core each. mpirun that is stopped passes that
    # on, and kills what still runs a second later, too early for a checkpoint: here two
    # minutes, which it waits in any case.
    set -- fasternet-train train "$@" --resume
    if [ -n "${NETWORK:-}" ]; then
        set -- --mca btl_tcp_if_include "$NETWORK" --mca oob_tcp_if_include "$NETWORK" "$@"
    fi
    exec "${MPIRUN:-mpirun}" --hostfile "$hosts" --bind-to none -x FASTERNET_MPI=openmpi \
        --mca odls_base_sigkill_timeout 120 "$@"
    ;;
mpich)
    set -- fasternet-train train "$@" --resume
    if [ -n "${NETWORK:-}" ]; then
        set -- -iface "$NETWORK" "$@"
    fi
    exec "${MPIRUN:-mpirun}" -f "$hosts" -bind-to none -genv FASTERNET_MPI mpich "$@"
    ;;
*)
    echo "$0: want openmpi or mpich, got $mpi" >&2
    exit 2
    ;;
esac
