# Unit tests of the connectors, on the in-memory provider.
check_PROGRAMS += unit_connector unit_outbound
TESTS += unit_connector unit_outbound
unit_connector_SOURCES = tests/unit/connector/smtp.c
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
