#!/bin/sh
# All dialogs, as they are.
exec "$PENNYPOST_TOP_BUILDDIR/dialog"
