#!/bin/sh
# Trains on the hosts of a file, with Open MPI or MPICH:
#
#   deploy/mpirun/train.sh openmpi hosts.openmpi fasternet_s --data /shared/imagenet
#   deploy/mpirun/train.sh mpich hosts.mpich fasternet_s --data /shared/imagenet
#
# The hosts are reached by ssh without a password. All of them have this folder and the
# data under the same paths, the program of make build-mpi in the PATH that ssh gives, and
# the same MPI. The ranks of a host divide its processors. MPIRUN names another launcher
# than mpirun: Debian, with both installed, has mpirun.openmpi and mpirun.mpich.
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
    # Without --bind-to none few ranks get one core each. Stopped by SIGTERM or Ctrl-C,
    # mpirun passes that on, and kills a second later what still runs: too early for a
    # step and a checkpoint.
    exec "${MPIRUN:-mpirun}" --hostfile "$hosts" --bind-to none -x FASTERNET_MPI=openmpi \
        --mca odls_base_sigkill_timeout 300 \
        fasternet-train train "$@" --resume
    ;;
mpich)
    # Its mpirun kills when it is stopped: pkill -TERM -x fasternet-train on one of the
    # hosts stops all ranks, with a checkpoint.
    exec "${MPIRUN:-mpirun}" -f "$hosts" -bind-to none -genv FASTERNET_MPI mpich \
        fasternet-train train "$@" --resume
    ;;
*)
    echo "$0: want openmpi or mpich, got $mpi" >&2
    exit 2
    ;;
esac
