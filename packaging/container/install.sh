#!/bin/sh
# What makes a Debian root into one with vhost-hexagon: the package beside this script, QEMU, a stock kernel and the guest's user space.
# Used by Containerfile, and by `cargo xtask container` where there is no container engine.
set -eu
here=$(dirname "$0")
export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install --yes --no-install-recommends "$here/vhost-hexagon.deb" debian-archive-keyring
vhost-hexagon setup --kernel 7.3
# What is not needed to run it: package lists and downloaded packages.
rm -rf "${HOME:-/root}/.cache/vhost-hexagon/apt" /var/lib/apt/lists/* /var/cache/apt/archives/*.deb
