# Load and bench programs; "make bench" runs them, "make check" only builds them.

if TESTS_BUILT
# The plain runner, which takes Criterion's place under the thread sanitizer, brings its own main.
if !PLAIN_RUNNER
# with-pg.sh deliver_bench [FIBERS [SECONDS [SIZE [MAILBOXES]]]]
check_PROGRAMS += deliver_bench
deliver_bench_SOURCES = tests/load/deliver-bench.c \
	tests/unit/provider/given.c tests/unit/provider/store_fixture.c
deliver_bench_LDADD = $(floor_provider) $(CRITERION_LIBS)
# with-pg.sh view_bench [TIMES]
check_PROGRAMS += view_bench
view_bench_SOURCES = tests/load/view-bench.c \
	tests/unit/provider/given.c tests/unit/provider/store_fixture.c
view_bench_LDADD = $(floor_provider) $(CRITERION_LIBS)
bench_views = bench-view
bench-view: view_bench$(EXEEXT)
	$(srcdir)/tests/with-pg.sh ./view_bench$(EXEEXT)
endif
endif
.PHONY: bench-view
bench: $(bench_views)

# What the parsers cost per byte, and whether that stays the same for big inputs.
check_PROGRAMS += mail_cost
mail_cost_SOURCES = tests/load/mail-cost.c tests/unit/mail/toy.h
mail_cost_LDADD = $(floor_mail)
bench: bench-mail
bench-mail: mail_cost$(EXEEXT)
	./mail_cost$(EXEEXT)
.PHONY: bench bench-mail

# Ten thousand idle connections: `make idle` prints what one costs.
check_PROGRAMS += idle_hold
idle_hold_SOURCES = tests/load/idle-hold.c
idle_hold_LDADD = $(floor_talk)

EXTRA_DIST += tests/load/idle.sh
idle: idle_hold$(EXEEXT)
	PENNYPOST_TOP_SRCDIR='$(abs_top_srcdir)' $(srcdir)/tests/load/idle.sh
.PHONY: idle
# The house under load, beside Postfix and Dovecot where they are installed.
EXTRA_PROGRAMS += load
load_SOURCES = tests/load/load.c tests/load/load.h tests/load/mixed.c tests/load/mixed.h
load_LDADD = $(floor_net)
# The other system that mail for others goes to; it stands beside load.
EXTRA_PROGRAMS += sink
sink_SOURCES = tests/load/sink.c
EXTRA_DIST += tests/load/bench tests/load/imap_rows.py tests/load/imap_talk.py \
	tests/load/outbound_rows.py tests/load/queue_rows.py
bench: bench-house
bench-house: load$(EXEEXT) sink$(EXEEXT)
	$(srcdir)/tests/load/bench ./load$(EXEEXT)
.PHONY: bench-house
