#!/bin/sh
# The readers' dialogs, with each fault point failing in turn.
exec "$PENNYPOST_TOP_BUILDDIR/dialog" --faults "$PENNYPOST_TOP_SRCDIR/tests/dialog/imap" "$PENNYPOST_TOP_SRCDIR/tests/dialog/pop3"
