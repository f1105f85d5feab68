#!/bin/sh
# Trains on the hosts of a file, with Open MPI or MPICH:
#
#   deploy/mpirun/train.sh openmpi hosts.openmpi fasternet_s --data /shared/imagenet
#   deploy/mpirun/train.sh mpich hosts.mpich fasternet_s --data /shared/imagenet
#
# To stop the run at once with a checkpoint, on one of the hosts, with either MPI:
#
#   pkill -TERM -x fasternet-train
#
# mpirun reaches the hosts by ssh, without a password. All hosts need this folder and the data
# under the same paths, the same MPI, and the program of make build-mpi in the PATH of ssh. The
# ranks on a host share its cores. MPIRUN names another launcher than mpirun: if Debian has both
# MPIs, they are mpirun.openmpi and mpirun.mpich. If there are several networks, NETWORK names
# the one that the hosts share: such as 192.168.7.0/24 for Open MPI, or the name of the interface
# for MPICH.
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
    # Without --bind-to none, Open MPI binds each rank to one core if there are few. After a stop
    # signal, mpirun kills the ranks within a second, too early for a checkpoint. The timeout
    # makes it wait two minutes, in any case.
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
