#!/bin/sh
# All dialogs, byte by byte.
exec "$PENNYPOST_TOP_BUILDDIR/dialog" --bytes
