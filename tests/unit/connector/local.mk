# Unit tests of the connectors, on the in-memory provider.
check_PROGRAMS += unit_connector
TESTS += unit_connector
unit_connector_SOURCES = tests/unit/connector/smtp.c
unit_connector_LDADD = libsmtp.a $(floor_talk_memory) $(CRITERION_LIBS)
