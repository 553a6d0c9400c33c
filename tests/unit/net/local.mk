# Unit tests of src/net.
check_PROGRAMS += unit_net
TESTS += unit_net
unit_net_SOURCES = \
	tests/unit/net/address.c \
	tests/unit/net/ban.c \
	tests/unit/net/command.c \
	tests/dns/zone.c \
	tests/dns/zone.h \
	tests/unit/net/dns.c \
	tests/unit/net/dns_message.c \
	tests/unit/net/errand.c \
	tests/unit/net/help.c \
	tests/unit/net/help.h \
	tests/unit/net/host.c \
	tests/unit/net/https.c \
	tests/unit/net/listener.c \
	tests/unit/net/peer.c \
	tests/unit/net/press.c \
	tests/unit/net/proxy.c \
	tests/unit/net/signature.c \
	tests/unit/net/stream.c \
	tests/unit/net/talk.c \
	tests/unit/net/talk.h \
	tests/unit/net/tls.c
unit_net_LDADD = $(floor_net) $(CRITERION_LIBS)
