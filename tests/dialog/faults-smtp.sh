#!/bin/sh
# SMTP's dialogs, with each fault point failing in turn. Two programs play them all, since one alone keeps everybody waiting.
exec "$PENNYPOST_TOP_BUILDDIR/dialog" --faults "$PENNYPOST_TOP_SRCDIR/tests/dialog/smtp"
