#!/bin/sh
# The kernels, the models and the program on arm64, under an emulator: qemu for user programs.
# Speed under it means nothing.
#
# Needs Go and qemu-aarch64. It is installed where CI=true, as root on Debian; elsewhere the
# tests are skipped with a message.
#
#   scripts/test-arm64.sh               everything but the count (less than ten minutes on two cores)
#   scripts/test-arm64.sh kernels       only that: kernels, ops, models, data, program or count
#   FASTERNET_KERNELS=go scripts/test-arm64.sh    with these kernels in place of the best
set -eu
cd "$(dirname "$0")/.."
go=${GO:-go}

case "$(uname -s) $(uname -m)" in
"Linux x86_64") ;;
*)
    echo "test-arm64: SKIPPED: made for Linux on x86-64; on arm64 go test does the same without an emulator"
    exit 0
    ;;
esac

find_qemu() { command -v qemu-aarch64-static || command -v qemu-aarch64 || true; }

if [ "${CI:-}" = true ] && [ -z "$(find_qemu)" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        (apt-get update -q && apt-get install -y -q --no-install-recommends qemu-user-static) >&2 || true
    fi
    [ -n "$(find_qemu)" ] || {
        echo "test-arm64: qemu-aarch64-static cannot be had" >&2
        exit 1
    }
fi
qemu=$(find_qemu)
[ -n "$qemu" ] || {
    echo "test-arm64: SKIPPED: there is no qemu-aarch64-static (Debian: qemu-user-static), so nobody has tried the kernels of arm64"
    exit 0
}

export CGO_ENABLED=0
# emulate PROCESSOR ARGUMENT...: go test for arm64 on an emulated processor. Each test runs in the
# folder of its package. -short leaves out what is long anywhere.
emulate() {
    processor=$1
    shift
    echo "test-arm64: on the processor $processor: $*"
    GOOS=linux GOARCH=arm64 "$go" test -short -count=1 -timeout 9m -exec "$qemu -cpu $processor" "$@"
}

# vet checks how the assembly uses its arguments. What looks at the source runs without an
# emulator, in "go test ./kernels". Neoverse N1 has no bf16.
kernels() {
    GOOS=linux GOARCH=arm64 "$go" vet ./kernels
    for p in max neoverse-n1; do
        emulate $p -skip '^Test(WordsOfARM64|WordsOfARM64FindsFaults|LoopsOfARM64)$' ./kernels
    done
}

# Gradients by central differences take most of the time of ops: those of the fused blocks, whose
# gradients the golden tests of the models have too, are left out.
ops() { emulate max -skip '^Test(UnitBlock|Block|GRN|MLP|Attention)Gradient$' ./ops; }

# The reference values of every family: logits, gradients, and what bf16 makes of them.
models() {
    emulate max -run '^Test(SmallModels|DropPath|PartsOfT0|SmallTransformers|FeaturesOfReference|TransformerFeatures|BF16OfFasterNet|BF16OfTransformers)$' ./graph
    emulate max -run '^Test(LocalMIM|MaskedFasterNet|BF16)$' ./graph/localmim
    emulate max ./graph/localmim/masking
}

data() { emulate max ./data/picture ./optim; }

# program [TESTS [TIME]]: of the built program, next to this machine's own.
program() {
    echo "test-arm64: the program"
    "$go" test -count=1 -timeout "${2:-9m}" -v -run "${1:-^Test(Version|Quickstart|ResumeAcrossArchitectures)\$}" ./test/arm64 \
        -args -qemu="$qemu" -kernels="${FASTERNET_KERNELS:-}"
}

# The instructions of a training step by function: make count-arm64. It takes minutes.
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
