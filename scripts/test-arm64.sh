#!/bin/sh
# Tests the kernels, the models and the program on arm64, under qemu's emulator for user programs.
# Its speed says nothing about real processors.
#
# Needs Go and qemu-aarch64. With CI=true, as root on Debian, the script installs it. Otherwise it
# prints a message and skips the tests.
#
#   scripts/test-arm64.sh               all but the count (less than ten minutes on two cores)
#   scripts/test-arm64.sh kernels       only one part: kernels, ops, models, data, program or count
#   FASTERNET_KERNELS=go scripts/test-arm64.sh    with these kernels instead of the best
set -eu
cd "$(dirname "$0")/.."
go=${GO:-go}

case "$(uname -s) $(uname -m)" in
"Linux x86_64") ;;
*)
    echo "test-arm64: SKIPPED: needs Linux on x86-64; on arm64 run go test, which needs no emulator"
    exit 0
    ;;
esac

find_qemu() { command -v qemu-aarch64-static || command -v qemu-aarch64 || true; }

if [ "${CI:-}" = true ] && [ -z "$(find_qemu)" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        (apt-get update -q && apt-get install -y -q --no-install-recommends qemu-user-static) >&2 || true
    fi
    [ -n "$(find_qemu)" ] || {
        echo "test-arm64: cannot install qemu-aarch64-static; install Debian's qemu-user-static" >&2
        exit 1
    }
fi
qemu=$(find_qemu)
[ -n "$qemu" ] || {
    echo "test-arm64: SKIPPED, the arm64 kernels are untested: install qemu-aarch64-static (Debian: qemu-user-static)"
    exit 0
}

export CGO_ENABLED=0
# emulate PROCESSOR ARGUMENT... runs go test for arm64 on an emulated processor, each test in the
# folder of its package, with -short.
emulate() {
    processor=$1
    shift
    echo "test-arm64: processor $processor: $*"
    GOOS=linux GOARCH=arm64 "$go" test -short -count=1 -timeout 30m -exec "$qemu -cpu $processor" "$@"
}

# vet checks how the assembly uses its arguments. Tests that read the source need no emulator and
# run in "go test ./kernels". Neoverse N1 is a processor without bf16.
kernels() {
    GOOS=linux GOARCH=arm64 "$go" vet ./kernels
    for p in max neoverse-n1; do
        emulate $p -skip '^Test(WordsOfARM64|WordsOfARM64FindsFaults|LoopsOfARM64)$' ./kernels
    done
}

# Most of the time goes into gradients by central differences. Skip the fused blocks here, because
# the models' golden tests check their gradients too.
ops() { emulate max -skip '^Test(UnitBlock|Block|GRN|MLP|Attention)Gradient$' ./ops; }

# The reference values of every family: logits and gradients, in float32 and bf16.
models() {
    tests='SmallModels|DropPath|PartsOfT0|SmallTransformers|FeaturesOfReference|TransformerFeatures'
    tests="$tests|BF16OfFasterNet|BF16OfTransformers"
    emulate max -run "^Test($tests)\$" ./graph
    emulate max -run '^Test(LocalMIM|MaskedFasterNet|BF16)$' ./graph/localmim
    emulate max ./graph/localmim/masking
}

data() { emulate max ./data/picture ./optim; }

# program [TESTS [TIME]] compares the built program with the one for this machine.
program() {
    echo "test-arm64: the program"
    tests=${1:-'^Test(Version|Quickstart|ResumeAcrossArchitectures)$'}
    "$go" test -count=1 -timeout "${2:-30m}" -v -run "$tests" ./test/arm64 \
        -args -qemu="$qemu" -kernels="${FASTERNET_KERNELS:-}"
}

# Counts the instructions of a training step by function: make count-arm64. It takes minutes.
count() { program '^TestInstructions$' 60m; }

for part in ${*:-kernels ops models data program}; do
    case $part in
    kernels | ops | models | data | program | count) $part ;;
    *)
        echo "test-arm64: want kernels, ops, models, data, program or count, got $part" >&2
        exit 2
        ;;
    esac
done
