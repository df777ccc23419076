#!/bin/sh
# Install what is not Python: units, settings, documents and the like.
#
#   DESTDIR=/tmp/stage PREFIX=/usr sh packaging/install.sh
#
# Each directory below can be set likewise. README, licence and changelog are left to the tools of
# packages. Nothing is started or enabled, and no user is made. The units start
# /usr/bin/geocache-cleanup; examples/opt.conf is for another place. Settings that are there already
# are the administrator's, and are kept.
#
# What pip has installed has a copy of this in its share/geocache-cleanup, for /usr/local.
set -eu
umask 022

source=$(cd "$(dirname "$0")" && pwd)
name=geocache-cleanup

: "${DESTDIR:=}" "${PREFIX:=/usr/local}"
: "${sysconfdir:=/etc}" "${datadir:=$PREFIX/share}"
: "${docdir:=$datadir/doc/$name}" "${mandir:=$datadir/man}"
: "${bashdir:=$datadir/bash-completion/completions}"
: "${fishdir:=$datadir/fish/vendor_completions.d}" "${zshdir:=$datadir/zsh/site-functions}"
# systemd reads the same directories in /usr/local/lib and in /usr/lib.
: "${unitdir:=$PREFIX/lib/systemd/system}" "${generatordir:=$PREFIX/lib/systemd/system-generators}"
: "${catalogdir:=$PREFIX/lib/systemd/catalog}"
: "${sysusersdir:=$PREFIX/lib/sysusers.d}" "${tmpfilesdir:=$PREFIX/lib/tmpfiles.d}"

# put MODE DIRECTORY FILE...
put() {
    mode=$1 directory=$DESTDIR$2
    shift 2
    mkdir -p "$directory"
    install -m "$mode" "$@" "$directory"
}

put 644 "$unitdir" "$source"/systemd/*
put 755 "$generatordir" "$source"/system-generators/*
put 644 "$catalogdir" "$source/$name.catalog"
put 644 "$sysusersdir" "$source"/sysusers.d/*
put 644 "$tmpfilesdir" "$source"/tmpfiles.d/*
put 644 "$mandir/man8" "$source"/man/*
put 644 "$docdir" "$source/OPERATING.md"
put 644 "$docdir/examples" "$source"/examples/*
put 644 "$bashdir" "$source"/completions/bash/*
put 644 "$fishdir" "$source"/completions/fish/*
put 644 "$zshdir" "$source"/completions/zsh/*

[ -e "$DESTDIR$sysconfdir/default/$name" ] || put 644 "$sysconfdir/default" "$source"/default/*
mkdir -p "$DESTDIR$sysconfdir/$name"
