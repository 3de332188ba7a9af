#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
# A rustc that instruments the kernel's crates for KCSAN, as scripts/Makefile.kcsan does with C.
#
# The kernel's own build knows no KCSAN for Rust: its target does not offer ThreadSanitizer, whose
# calls KCSAN takes. What is compiled for the host passes through as it is.
set -eu
for arg; do
	shift
	case $arg in
	--target=*/scripts/target.json)
		target=${arg#--target=}
		kcsan=${target%.json}-kcsan.json
		# Several compilers may run at once.
		sed 's/"kernel-address"/&,"thread"/' "$target" > "$kcsan.$$"
		cmp -s "$kcsan.$$" "$kcsan" && rm "$kcsan.$$" || mv "$kcsan.$$" "$kcsan"
		set -- "$@" "--target=$kcsan" -Zsanitizer=thread \
			-Cllvm-args=-tsan-distinguish-volatile=1 \
			-Cllvm-args=-tsan-compound-read-before-write=1 \
			-Cllvm-args=-tsan-instrument-func-entry-exit=0
		;;
	*) set -- "$@" "$arg" ;;
	esac
done
exec "$SIGCR_RUSTC" "$@"
