#!/bin/sh
# Build the Debian package: packaging/build-deb.sh [DIRECTORY], by default into dist/.
#
# Needs what packaging/debian/control names in Build-Depends. Building twice gives the same file:
# dpkg-buildpackage takes the time of every file from the changelog.
set -eu

source=$(cd "$(dirname "$0")/.." && pwd)
result=${1:-$source/dist}

# A Python of the user's own before the system's would be picked up by pybuild.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH LC_ALL=C.UTF-8 TZ=UTC
umask 022

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
trap 'exit 1' HUP INT TERM

# dpkg writes its results beside the tree; the tree itself stays as it is.
mkdir "$stage/geocache-cleanup"
tar -C "$source" --create --exclude-vcs --exclude=./dist --exclude=./build --exclude='./.*' \
    --exclude=__pycache__ --exclude='*.egg-info' . | tar -C "$stage/geocache-cleanup" --extract
cp -R "$source/packaging/debian" "$stage/geocache-cleanup/debian"

cd "$stage/geocache-cleanup"
dpkg-buildpackage --build=binary --no-sign
mkdir -p "$result"
cp "$stage"/*.deb "$result/"
