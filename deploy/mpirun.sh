#!/bin/sh
# A training on the machines of a host file, by ssh and Open MPI, without a scheduler:
#
#   deploy/mpirun.sh deploy/hosts train fasternet_s --data /shared/imagenet --run /shared/runs/fasternet_s --resume
#
# All machines have the program and Open MPI under the same paths, let the user in by ssh
# without a password, and have /shared.
set -eu
hosts=$1
shift
program=${PROGRAM:-/shared/bin/fasternet-train}

# A line of a host file that is not empty or a comment is a machine.
count=$(sed 's/#.*//' "$hosts" | grep -c '[^[:space:]]')

# --bind-to none: a rank uses all processors of its machine; by default it gets one.
# NETWORK: of several networks, the one that the machines share, such as 192.168.7.0/24.
if [ -n "${NETWORK:-}" ]; then
    set -- --mca btl_tcp_if_include "$NETWORK" --mca oob_tcp_if_include "$NETWORK" "$program" "$@"
else
    set -- "$program" "$@"
fi
exec "${MPIRUN:-mpirun}" -n "$count" --hostfile "$hosts" --map-by node --bind-to none "$@"
