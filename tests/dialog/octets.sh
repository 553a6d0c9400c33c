#!/bin/sh
# All dialogs, TLS and IMAP among them, while the system moves one octet at a time, interrupts, and says of streams
# that do not block that there is nothing to do (tests/fault/shim.c; trust.md R12). Not the one whose client has
# no time left when it speaks: it may say what is there already, and here nothing is there at the first look.
cd "$PENNYPOST_TOP_BUILDDIR" || exit 1
! grep -q __tsan_init dialog || { echo 'the thread sanitizer has calls of its own there'; exit 77; }
export LD_PRELOAD="$PWD/tests/fault/shim.so" SHIM_IO=1 ASAN_OPTIONS="$ASAN_OPTIONS:verify_asan_link_order=0"
# shellcheck disable=SC2046 # no name has blanks
exec ./dialog $(find "$PENNYPOST_TOP_SRCDIR/tests/dialog" -name '*.dialog' \
	! -name 'a22-a-full-house-hurries-who-only-listens.dialog' | sort)
