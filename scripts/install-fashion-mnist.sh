#!/bin/sh
# Installs Debian's package of Fashion-MNIST, as root or with sudo.
set -eu
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
as_root apt-get update -q
as_root apt-get install -y -q dataset-fashion-mnist
