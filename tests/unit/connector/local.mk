# Unit tests of the connectors, on the in-memory provider.
check_PROGRAMS += unit_connector unit_outbound unit_runner.pg
TESTS += unit_connector unit_outbound unit_runner.pg
unit_connector_SOURCES = \
	tests/unit/connector/outbound_logon.c \
	tests/unit/connector/plan.c \
	tests/unit/connector/smtp.c
unit_connector_LDADD = libsmtp.a $(floor_talk_memory) $(CRITERION_LIBS)
unit_outbound_SOURCES = \
	tests/unit/connector/client.c \
	tests/unit/connector/client_dns.c \
	tests/unit/connector/client_peer.c \
	tests/unit/connector/client_postfix.c \
	tests/unit/connector/client_route.c \
	tests/unit/connector/client_secure.c \
	tests/unit/connector/fake_host.c \
	tests/unit/connector/fake_host.h \
	tests/unit/connector/hand_over.c \
	tests/unit/connector/hand_over.h
unit_outbound_LDADD = libsmtp.a $(floor_talk_memory) $(CRITERION_LIBS)
# The runner of the queue has a PostgreSQL for itself; one test after the other.
unit_runner_pg_SOURCES = \
	tests/unit/connector/parcel.c tests/unit/connector/queue.c tests/unit/connector/queue_judge.c \
	tests/unit/connector/queue_program.c tests/unit/connector/queue_route.c \
	tests/unit/connector/runner.c tests/unit/connector/runner.h tests/unit/connector/tls_reporter.c \
	tests/unit/provider/given.c tests/unit/provider/given.h \
	tests/unit/provider/store_fixture.c tests/unit/provider/store_fixture.h
if !PLAIN_RUNNER
unit_runner_pg_SOURCES += tests/unit/provider/sequential.c
endif
unit_runner_pg_LDADD = libsmtp.a $(floor_talk) $(CRITERION_LIBS)
