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

# What the parsers cost per byte, and whether that stays the same for big inputs: "make check" counts their steps, "make
# bench" takes the time. Counted are the branches of what is compiled here once more, and octets that are looked at by
# the C library.
check_LIBRARIES += libcounted.a
libcounted_a_SOURCES = src/base/arena.c src/base/encode.c src/base/map.c src/base/slice.c src/base/text.c \
	src/base/utf8.c src/mail/address.c src/mail/address_list.c src/mail/arc.c src/mail/charset.c src/mail/collate.c \
	src/mail/content.c src/mail/date.c src/mail/dkim.c src/mail/dkim_record.c src/mail/dot.c src/mail/envelope.c \
	src/mail/fuzzy.c src/mail/header.c src/mail/header_build.c src/mail/imap_string.c src/mail/mime.c \
	src/mail/parameter.c src/mail/seek.c src/mail/signature.c src/mail/signature_field.c src/mail/signature_judge.c \
	src/mail/sketch.c src/mail/structure.c src/mail/transfer.c src/mail/word.c \
	src/net/stream.c src/service/imap/args.c src/service/imap/names.c src/service/imap/order.c src/service/imap/program.c \
	src/service/imap/thread.c
libcounted_a_CFLAGS = $(AM_CFLAGS) -fsanitize-coverage=trace-pc
wrapping = $(AM_LDFLAGS) -Wl,--wrap=memchr,--wrap=memcmp,--wrap=memcpy,--wrap=memmove
costing = tests/load/cost.c tests/load/cost.h
check_PROGRAMS += mail_cost imap_cost
TESTS += mail_cost imap_cost
mail_cost_SOURCES = tests/load/mail-cost.c $(costing) tests/unit/mail/toy.h
mail_cost_LDADD = libcounted.a $(floor_mail)
mail_cost_LDFLAGS = $(wrapping)
imap_cost_SOURCES = tests/load/imap-cost.c $(costing)
imap_cost_LDADD = libcounted.a libimap.a $(floor_talk_memory)
imap_cost_LDFLAGS = $(wrapping)
bench: bench-mail
bench-mail: mail_cost$(EXEEXT) imap_cost$(EXEEXT)
	./mail_cost$(EXEEXT) time
	./imap_cost$(EXEEXT) time
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
