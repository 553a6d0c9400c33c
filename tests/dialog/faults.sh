#!/bin/sh
# All dialogs, with each fault point failing in turn.
exec "$PENNYPOST_TOP_BUILDDIR/dialog" --faults
