# Fault tests: kills under load. They make a place of their own (place.py). contrib/check runs the short
# version, two minutes; `make torture` runs all kills, about half an hour, and prints the figures.
fault_modules = tests/fault/place.py tests/fault/ledger.py
fault_scripts = tests/fault/torture
EXTRA_DIST += $(fault_modules) $(fault_scripts)

fault_programs = pennypostd$(EXEEXT) pennypost$(EXEEXT)
torture: $(fault_programs)
	PENNYPOST_TOP_SRCDIR='$(abs_top_srcdir)' $(srcdir)/tests/fault/torture
.PHONY: torture
