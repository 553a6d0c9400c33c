# Unit tests of src/provider; what needs no database is tested in tests/unit/memory. These have a
# PostgreSQL beside them (tests/with-pg.sh): URIs are in PENNYPOST_TEST_PGURI ...
# Unit tests of src/provider.
check_PROGRAMS += unit_provider
TESTS += unit_provider
unit_provider_SOURCES = tests/unit/provider/bootstrap.c tests/unit/provider/trace_words.c
unit_provider_LDADD = $(floor_provider) $(CRITERION_LIBS)

# The same with a PostgreSQL beside them (tests/with-pg.sh): URIs are in PENNYPOST_TEST_PGURI ...
check_PROGRAMS += unit_store.pg
TESTS += unit_store.pg
unit_store_pg_SOURCES = \
	tests/unit/provider/given.c tests/unit/provider/given.h \
	tests/unit/provider/schema.c \
	tests/unit/provider/store_db.c \
	tests/unit/provider/store_house.c \
	tests/unit/provider/store_fixture.c tests/unit/provider/store_fixture.h \
	tests/unit/provider/blob.c \
	tests/unit/provider/deliver.c tests/unit/provider/deliver_repeat.c \
	tests/unit/provider/maildrop.c \
	tests/unit/provider/session.c \
	tests/unit/provider/dkim_key.c tests/unit/provider/dkim_key.h tests/unit/provider/dkim_key_pg.c \
	tests/unit/provider/greylist.c \
	tests/unit/provider/leads.c tests/unit/provider/leads.h tests/unit/provider/leads_pg.c \
	tests/unit/provider/handling.c tests/unit/provider/handling_pg.c \
	tests/unit/provider/office.c
unit_store_pg_LDADD = $(floor_provider) $(CRITERION_LIBS)

# Post offices apart: the whole database is compared, so nobody else writes to it.
check_PROGRAMS += unit_foreign.pg
TESTS += unit_foreign.pg
unit_foreign_pg_SOURCES = \
	tests/unit/provider/given.c tests/unit/provider/given.h \
	tests/unit/provider/foreign.c tests/unit/provider/foreign.def \
	tests/unit/provider/law.c
unit_foreign_pg_LDADD = $(floor_provider) $(CRITERION_LIBS)

# What kills or changes its PostgreSQL has one for itself; one test after the other.
check_PROGRAMS += unit_outage.pg
TESTS += unit_outage.pg
unit_outage_pg_SOURCES = \
	tests/unit/provider/given.c tests/unit/provider/given.h \
	tests/unit/provider/store_fixture.c tests/unit/provider/store_fixture.h \
	tests/unit/provider/late.c \
	tests/unit/provider/outage.c \
	tests/unit/provider/repeat.c \
	tests/unit/provider/unsure.c
unit_outage_pg_LDADD = $(floor_provider) $(CRITERION_LIBS)
# Logons have a database of their own: they change settings of the whole server.
check_PROGRAMS += unit_auth.pg
TESTS += unit_auth.pg
unit_auth_pg_SOURCES = \
	tests/unit/provider/auth.c \
	tests/unit/provider/auth_fixture.c tests/unit/provider/auth_fixture.h \
	tests/unit/provider/auth_guessing.c \
	tests/unit/provider/auth_hash.c \
	tests/unit/provider/auth_mechanism.c \
	tests/unit/provider/auth_names.c \
	tests/unit/provider/auth_remembered.c \
	tests/unit/provider/given.c tests/unit/provider/given.h \
	tests/unit/provider/store_fixture.c tests/unit/provider/store_fixture.h
unit_auth_pg_LDADD = $(floor_provider) $(CRITERION_LIBS)
# The queue and jobs too: shards, and what is due next, belong to the whole database.
check_PROGRAMS += unit_queue.pg
TESTS += unit_queue.pg
unit_queue_pg_SOURCES = \
	tests/unit/provider/given.c tests/unit/provider/given.h \
	tests/unit/provider/job.c \
	tests/unit/provider/ledger.c \
	tests/unit/provider/queue.c tests/unit/provider/queue_claim.c tests/unit/provider/queue_order.c \
	tests/unit/provider/queue_refused.c \
	tests/unit/provider/queue_report.c tests/unit/provider/queue_fixture.c tests/unit/provider/queue_fixture.h \
	tests/unit/provider/route.c \
	tests/unit/provider/store_fixture.c tests/unit/provider/store_fixture.h
unit_queue_pg_LDADD = $(floor_provider) $(CRITERION_LIBS)

# What a reader may rely on, told once and tested against both stores (tests/unit/memory too).
reader_tests = \
	tests/unit/provider/reader.h \
	tests/unit/provider/reader_annotations.c \
	tests/unit/provider/reader_folders.c \
	tests/unit/provider/reader_sharing.c \
	tests/unit/provider/reader_steps.c \
	tests/unit/provider/reader_views.c
check_PROGRAMS += unit_reader.pg
TESTS += unit_reader.pg
unit_reader_pg_SOURCES = $(reader_tests) \
	tests/unit/provider/given.c tests/unit/provider/given.h \
	tests/unit/provider/reader_pg.c \
	tests/unit/provider/together_pg.c \
	tests/unit/provider/view_lost.c \
	tests/unit/provider/view_pg.c \
	tests/unit/provider/expunged.c \
	tests/unit/provider/store_fixture.c tests/unit/provider/store_fixture.h
unit_reader_pg_LDADD = $(floor_provider) $(CRITERION_LIBS)

# Tests of one program share a database and its settings, so they run one after the other; programs run side
# by side. The plain runner brings its own main, and is sequential.
if !PLAIN_RUNNER
unit_store_pg_SOURCES += tests/unit/provider/sequential.c
unit_foreign_pg_SOURCES += tests/unit/provider/sequential.c
unit_outage_pg_SOURCES += tests/unit/provider/sequential.c
unit_auth_pg_SOURCES += tests/unit/provider/sequential.c
unit_queue_pg_SOURCES += tests/unit/provider/sequential.c
unit_reader_pg_SOURCES += tests/unit/provider/sequential.c
endif
