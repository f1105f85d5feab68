#!/bin/sh
# Tests exported models in ONNX Runtime, in OpenVINO, and with the format's own checker.
#
# Needs Go, a C compiler, npm (to download ONNX Runtime's library into the user's cache, once), and
# a Python with onnx, openvino and onnxruntime: the system's, or the one that PYTHON names. With
# CI=true, as root on Debian, the script installs what is missing (OpenVINO into a virtual
# environment in the cache). Otherwise it skips that part of the tests, with a message.
set -eu
cd "$(dirname "$0")/.."

release=1.30.0 # of ONNX Runtime
sum=6e3390d6b783e7be946fad629292799da28d0b42f84856e50d2c1b0383291e75
openvino=2026.4.1
python="${PYTHON:-/usr/bin/python3}" # Debian's, for which python3-onnx is made
[ -z "${PYTHON:-}" ] || command -v "$python" >/dev/null || {
    echo "test-onnx: PYTHON: cannot find $python" >&2
    exit 2
}

# missing WHAT skips the remaining tests; in CI it is an error.
missing() {
    if [ "${CI:-}" = true ]; then
        echo "test-onnx: $1" >&2
        exit 1
    fi
    echo "test-onnx: skipped: $1"
    exit 0
}

# install PACKAGE... installs with apt, but only in CI and as root.
install() {
    if [ "${CI:-}" = true ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        (apt-get update -q && apt-get install -y -q --no-install-recommends "$@") >&2 || true
    fi
}

case "$(uname -s) $(uname -m)" in
"Linux x86_64") platform=linux/x64 ;;
"Linux aarch64") platform=linux/arm64 ;;
*)
    echo "test-onnx: skipped: needs Linux on x86-64 or arm64"
    exit 0
    ;;
esac

command -v cc >/dev/null || install gcc libc6-dev
command -v cc >/dev/null || missing "needs a C compiler (Debian: gcc libc6-dev)"
command -v "$python" >/dev/null || install python3
command -v "$python" >/dev/null || missing "needs Python (Debian: python3)"

cache="${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}"
[ -n "$cache" ] || missing "needs HOME or XDG_CACHE_HOME, to keep ONNX Runtime's library"
cache="$cache/fasternet-train"
library="$cache/onnxruntime-$release-${platform#*/}.so"
if [ ! -e "$library" ]; then
    command -v npm >/dev/null || install npm
    command -v npm >/dev/null || missing "needs npm to download ONNX Runtime (Debian: npm)"
    mkdir -p "$cache"
    unpacked=$(mktemp -d "$cache/npm.XXXXXX")
    trap 'rm -rf "$unpacked"' EXIT
    # npm pack downloads the package only; it runs none of its scripts.
    npm pack --silent --pack-destination "$unpacked" "onnxruntime-node@$release" >/dev/null ||
        missing "cannot download onnxruntime-node@$release with npm"
    echo "$sum  $unpacked/onnxruntime-node-$release.tgz" | sha256sum --check --quiet ||
        missing "the download of onnxruntime-node@$release has a wrong checksum"
    inside="package/bin/napi-v6/$platform/libonnxruntime.so.1"
    tar -xzf "$unpacked/onnxruntime-node-$release.tgz" -C "$unpacked" "$inside"
    mv "$unpacked/$inside" "$library"
fi

models=$(mktemp -d)
trap 'rm -rf "$models" ${unpacked:+"$unpacked"}' EXIT
(
    cd test/onnxruntime
    # This module has its own workspace, which takes the versions from the program's go.mod.
    export CGO_ENABLED=1 GOWORK="$PWD/go.work" GOFLAGS="${GOFLAGS:-} -mod=readonly"
    export ONNXRUNTIME_LIB="$library" ONNX_KEEP="$models"
    go test -count=1 -timeout 30m ./...
)

# Run the same models in the runtimes of Python. check_runtimes.py exits with 3 if one is missing.
runtimes=$python
if [ "${CI:-}" = true ] && ! $python -c 'import openvino' 2>/dev/null; then
    environment="$cache/openvino-$openvino"
    [ -x "$environment/bin/python" ] || install python3-venv
    if [ -e "$environment/installed" ] || {
        $python -m venv "$environment" &&
            "$environment/bin/pip" install --quiet --only-binary :all: "openvino==$openvino" >&2 &&
            touch "$environment/installed"
    }; then
        runtimes="$environment/bin/python"
    fi
fi
code=0
$runtimes scripts/check_runtimes.py "$models" || code=$?
[ "$code" = 0 ] || [ "$code" = 3 ] || exit "$code"

# -I isolates Python: otherwise it would import the folder onnx of this project instead of the package.
$python -I -c 'import onnx.checker' 2>/dev/null || install python3-onnx
$python -I -c 'import onnx.checker' 2>/dev/null ||
    missing "the tests with runtimes have passed; the checker needs onnx in $python (Debian: python3-onnx)"
$python scripts/check_onnx.py "$models" >"$models/report"
echo "onnx.checker: $(wc -l <"$models/report") files passed"
