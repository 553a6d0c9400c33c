# Caps and patiences of a whole platform, and what a stranger learns of names; each makes a place of its own
# (tests/fault/place.py).
dist_check_SCRIPTS += tests/limits/caps tests/limits/names
TESTS += tests/limits/caps tests/limits/names
# What a logon that fails takes, for a name that is known and for one that is not: shown, not judged.
bench: bench-names
bench-names: pennypostd$(EXEEXT) pennypost$(EXEEXT)
	PENNYPOST_TOP_SRCDIR='$(abs_top_srcdir)' $(srcdir)/tests/limits/names --time 25
.PHONY: bench-names
