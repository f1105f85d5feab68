#!/bin/sh
# Exported models in ONNX Runtime, in OpenVINO, and before the format's own checker.
#
# Needs Go, a C compiler, npm (it brings ONNX Runtime's library, once, into the
# user's cache), and a Python with onnx, openvino and onnxruntime: the system's, or the one
# that PYTHON names. What is missing is installed where CI=true, as root on Debian (OpenVINO
# into a virtual environment in the cache); elsewhere that part of the tests is skipped with a message.
set -eu
cd "$(dirname "$0")/.."

release=1.30.0 # of ONNX Runtime
sum=6e3390d6b783e7be946fad629292799da28d0b42f84856e50d2c1b0383291e75
openvino=2026.4.1
python="${PYTHON:-/usr/bin/python3}" # Debian's, for which python3-onnx is made
command -v "$python" >/dev/null || {
    echo "test-onnx: PYTHON: $python is not there" >&2
    exit 2
}

# missing WHAT: leaves the tests out; in CI it is an error.
missing() {
    if [ "${CI:-}" = true ]; then
        echo "test-onnx: $1" >&2
        exit 1
    fi
    echo "test-onnx: skipped: $1"
    exit 0
}

# install PACKAGE...: with apt, where that is what CI is for.
install() {
    if [ "${CI:-}" = true ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        (apt-get update -q && apt-get install -y -q --no-install-recommends "$@") >&2 || true
    fi
}

case "$(uname -s) $(uname -m)" in
"Linux x86_64") platform=linux/x64 ;;
"Linux aarch64") platform=linux/arm64 ;;
*)
    echo "test-onnx: skipped: made for Linux on x86-64 and arm64"
    exit 0
    ;;
esac

command -v cc >/dev/null || install gcc libc6-dev
command -v cc >/dev/null || missing "no C compiler (Debian: gcc libc6-dev)"

cache="${XDG_CACHE_HOME:-$HOME/.cache}/fasternet-train"
library="$cache/onnxruntime-$release-${platform#*/}.so"
if [ ! -e "$library" ]; then
    command -v npm >/dev/null || install npm
    command -v npm >/dev/null || missing "no npm, which brings ONNX Runtime (Debian: npm)"
    mkdir -p "$cache"
    unpacked=$(mktemp -d "$cache/npm.XXXXXX")
    trap 'rm -rf "$unpacked"' EXIT
    # pack takes the package alone and runs no script of it.
    npm pack --silent --pack-destination "$unpacked" "onnxruntime-node@$release" >/dev/null ||
        missing "onnxruntime-node@$release cannot be had from npm"
    echo "$sum  $unpacked/onnxruntime-node-$release.tgz" | sha256sum --check --quiet ||
        missing "onnxruntime-node@$release is not the package that it was"
    tar -xzf "$unpacked/onnxruntime-node-$release.tgz" -C "$unpacked" "package/bin/napi-v6/$platform/libonnxruntime.so.1"
    mv "$unpacked/package/bin/napi-v6/$platform/libonnxruntime.so.1" "$library"
fi

models=$(mktemp -d)
trap 'rm -rf "$models" ${unpacked:+"$unpacked"}' EXIT
(
    cd test/onnxruntime
    # A workspace of its own, with the versions of the product's go.mod.
    CGO_ENABLED=1 GOWORK="$PWD/go.work" GOFLAGS="${GOFLAGS:-} -mod=readonly" ONNXRUNTIME_LIB="$library" ONNX_KEEP="$models" \
        go test -count=1 ./...
)

# The same runs in the runtimes of Python. Those that are missing are named, and the exit code is 3.
runtimes=$python
if [ "${CI:-}" = true ] && ! $python -c 'import openvino' 2>/dev/null; then
    environment="$cache/openvino-$openvino"
    [ -x "$environment/bin/python" ] || install python3-venv
    if [ -e "$environment/installed" ] || { /usr/bin/python3 -m venv "$environment" &&
        "$environment/bin/pip" install --quiet --only-binary :all: "openvino==$openvino" >&2 && touch "$environment/installed"; }; then
        runtimes="$environment/bin/python"
    fi
fi
code=0
$runtimes scripts/check_runtimes.py "$models" || code=$?
[ "$code" = 0 ] || [ "$code" = 3 ] || exit "$code"

# Isolated, or the folder onnx of this project would be taken for the package.
$python -I -c 'import onnx.checker' 2>/dev/null || install python3-onnx
$python -I -c 'import onnx.checker' 2>/dev/null || missing "no onnx.checker in $python (Debian: python3-onnx); the tests with runtimes have passed"
$python scripts/check_onnx.py "$models" >"$models/report"
echo "onnx.checker: $(wc -l <"$models/report") files passed"
