# Everything "make check" runs. Each folder adds to TESTS.
AM_TESTS_ENVIRONMENT = \
	PENNYPOST_TOP_SRCDIR='$(abs_top_srcdir)'; export PENNYPOST_TOP_SRCDIR; \
	PENNYPOST_TOP_BUILDDIR='$(abs_top_builddir)'; export PENNYPOST_TOP_BUILDDIR; \
	LSAN_OPTIONS="suppressions=$(abs_top_srcdir)/tests/lsan.supp:print_suppressions=0"; \
	export LSAN_OPTIONS; TSAN_OPTIONS=die_after_fork=0; export TSAN_OPTIONS;
EXTRA_DIST += tests/lsan.supp tests/says.sh

# Optimising what runs for a moment takes longer than running it; what is tested is built as configured.
tests/unit/%.$(OBJEXT): CFLAGS += -O0 -U_FORTIFY_SOURCE

if PLAIN_RUNNER
noinst_LIBRARIES += libplain.a
libplain_a_SOURCES = tests/unit/plain.c
endif
if TESTS_BUILT
include tests/unit/base/local.mk
include tests/unit/task/local.mk
include tests/unit/mail/local.mk
include tests/unit/net/local.mk
include tests/unit/provider/local.mk
include tests/unit/memory/local.mk
include tests/unit/connector/local.mk
include tests/unit/service/local.mk
include tests/unit/program/local.mk
endif
include tests/compare/local.mk
include tests/dns/local.mk
include tests/signature/local.mk
include tests/fuzz/local.mk
include tests/dialog/local.mk
include tests/clients/local.mk
include tests/fault/local.mk
include tests/outbound/local.mk
include tests/policy/local.mk
include tests/sharing/local.mk
include tests/milter/local.mk
include tests/limits/local.mk
include tests/load/local.mk
include tests/logs/local.mk
include tests/jobs/local.mk
include tests/programs/local.mk
include tests/search/local.mk
include tests/cli/local.mk
include tests/upgrade/local.mk
EXTRA_DIST += tests/quickstart/run tests/quickstart/readme
include tests/web/local.mk

dist_check_SCRIPTS += tests/settings tests/check tests/statements.sh tests/floors.sh tests/docs.sh tests/private-pg.sh tests/with-pg.sh \
	tests/systemd.sh tests/configure.sh tests/install.sh
TESTS += tests/settings tests/check tests/systemd.sh tests/configure.sh tests/install.sh tests/statements.sh tests/floors.sh tests/docs.sh tests/private-pg.sh

# A test called NAME.pg runs beside a PostgreSQL of its own.
TEST_EXTENSIONS = .pg .sh
PG_LOG_COMPILER = $(top_srcdir)/tests/with-pg.sh
