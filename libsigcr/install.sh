#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
# Installs the C library: sh libsigcr/install.sh [BUILT_DIR], with PREFIX, LIBDIR and DESTDIR.
#
# BUILT_DIR is where `cargo build --release -p sigcr` has put the libraries.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
built=${1:-$here/../target/release}
prefix=${PREFIX:-/usr/local}
libdir=${LIBDIR:-$prefix/lib}
destdir=${DESTDIR:-}
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$here/../Cargo.toml" | head -n 1)
# The number in the SONAME, which build.rs sets.
soname=libsigcr.so.0

for file in libsigcr.so libsigcr.a; do
	if ! [ -f "$built/$file" ]; then
		echo "$built/$file is not there; run: cargo build --release -p sigcr" >&2
		exit 1
	fi
done

install -d "$destdir$prefix/include" "$destdir$libdir/pkgconfig"
install -m 644 "$here/include/sigcr.h" "$destdir$prefix/include/sigcr.h"
install -m 644 "$built/libsigcr.a" "$destdir$libdir/libsigcr.a"
install -m 755 "$built/libsigcr.so" "$destdir$libdir/libsigcr.so.$version"
ln -sf "libsigcr.so.$version" "$destdir$libdir/$soname"
ln -sf "$soname" "$destdir$libdir/libsigcr.so"
sed -e "s|@PREFIX@|$prefix|" -e "s|@LIBDIR@|$libdir|" -e "s|@VERSION@|$version|" \
	"$here/sigcr.pc.in" >"$destdir$libdir/pkgconfig/sigcr.pc"
chmod 644 "$destdir$libdir/pkgconfig/sigcr.pc"
