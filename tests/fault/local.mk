# Fault tests. They make a place of their own (place.py). contrib/check runs their short versions;
# `make torture` runs all kills, about three quarters of an hour, `make faults` the long versions of the others, and
# both print their figures.
fault_modules = tests/fault/place.py tests/fault/ledger.py tests/fault/client.py tests/fault/mailing.py \
	tests/fault/victims.py tests/fault/peer.py tests/fault/transcript.py tests/fault/web.py tests/fault/board.py tests/fault/small_disk.py
fault_scripts = tests/fault/torture tests/fault/starts tests/fault/privileges \
	tests/fault/points tests/fault/cut tests/fault/nodes tests/fault/pooler tests/fault/shortage \
	tests/fault/model tests/fault/torture-imap tests/fault/torture-remote tests/fault/races tests/fault/dots tests/fault/fsync \
	tests/fault/disk tests/fault/disk-aside
EXTRA_DIST += $(fault_modules) $(fault_scripts) tests/fault/shim.c tests/fault/lsan.supp

# Preloaded into the server by tests/fault/shortage, into PostgreSQL by tests/fault/fsync.
fault_shim = tests/fault/shim.so
check_DATA += $(fault_shim)
CLEANFILES += $(fault_shim)
$(fault_shim): tests/fault/shim.c
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(CC) -std=gnu17 -O2 $(WARN_CFLAGS) -shared -fPIC -o $@ \
		$(srcdir)/tests/fault/shim.c

fault_programs = pennypostd$(EXEEXT) pennypost$(EXEEXT)
torture: $(fault_programs)
	PENNYPOST_TOP_SRCDIR='$(abs_top_srcdir)' $(srcdir)/tests/fault/torture
	PENNYPOST_TOP_SRCDIR='$(abs_top_srcdir)' $(srcdir)/tests/fault/torture-imap
	PENNYPOST_TOP_SRCDIR='$(abs_top_srcdir)' $(srcdir)/tests/fault/torture-remote
# make model MODEL_OPERATIONS=1000000
MODEL_OPERATIONS = 100000
model: $(fault_programs)
	PENNYPOST_TOP_SRCDIR='$(abs_top_srcdir)' $(srcdir)/tests/fault/model --operations $(MODEL_OPERATIONS)
faults: $(fault_programs) $(fault_shim)
	PENNYPOST_TOP_SRCDIR='$(abs_top_srcdir)' $(srcdir)/tests/fault/starts
	PENNYPOST_TOP_SRCDIR='$(abs_top_srcdir)' $(srcdir)/tests/fault/privileges
	PENNYPOST_TOP_SRCDIR='$(abs_top_srcdir)' $(srcdir)/tests/fault/points
	PENNYPOST_TOP_SRCDIR='$(abs_top_srcdir)' $(srcdir)/tests/fault/cut
	PENNYPOST_TOP_SRCDIR='$(abs_top_srcdir)' $(srcdir)/tests/fault/nodes
	PENNYPOST_TOP_SRCDIR='$(abs_top_srcdir)' $(srcdir)/tests/fault/pooler
	PENNYPOST_TOP_SRCDIR='$(abs_top_srcdir)' $(srcdir)/tests/fault/races
	PENNYPOST_TOP_SRCDIR='$(abs_top_srcdir)' $(srcdir)/tests/fault/dots
	PENNYPOST_TOP_SRCDIR='$(abs_top_srcdir)' $(srcdir)/tests/fault/shortage
	PENNYPOST_TOP_SRCDIR='$(abs_top_srcdir)' $(srcdir)/tests/fault/fsync
	PENNYPOST_TOP_SRCDIR='$(abs_top_srcdir)' $(srcdir)/tests/fault/disk || test $$? -eq 77
	PENNYPOST_TOP_SRCDIR='$(abs_top_srcdir)' $(srcdir)/tests/fault/disk-aside || test $$? -eq 77
.PHONY: torture model faults
