# Caps and patiences of a whole platform, slow clients, workers that hang, what a stranger learns of names, and what
# workers keep of addresses; each makes a place of its own (tests/fault/place.py).
dist_check_SCRIPTS += tests/limits/caps tests/limits/names tests/limits/kept tests/limits/slow tests/limits/hangs
TESTS += tests/limits/caps tests/limits/names tests/limits/kept tests/limits/slow tests/limits/hangs
# What a logon that fails takes, for a name that is known and for one that is not: shown, not judged.
bench: bench-names
bench-names: pennypostd$(EXEEXT) pennypost$(EXEEXT)
	PENNYPOST_TOP_SRCDIR='$(abs_top_srcdir)' $(srcdir)/tests/limits/names --time 25
.PHONY: bench-names
