# Streams, TLS, listeners, DNS, conversations.
noinst_LIBRARIES += libnet.a
libnet_a_SOURCES = \
	src/net/address.c \
	src/net/address.h \
	src/net/ban.c \
	src/net/ban.h \
	src/net/buffer.c \
	src/net/buffer.h \
	src/net/command.c \
	src/net/conversation.c \
	src/net/conversation.h \
	src/net/conversation_inside.h \
	src/net/dns.c \
	src/net/dns.h \
	src/net/dns_lookup.c \
	src/net/dns_message.c \
	src/net/dns_message.h \
	src/net/errand.c \
	src/net/errand.h \
	src/net/errand_order.h \
	src/net/host.c \
	src/net/host.h \
	src/net/https.c \
	src/net/https.h \
	src/net/listener.c \
	src/net/listener.h \
	src/net/peer.c \
	src/net/peer.h \
	src/net/press.c \
	src/net/press.h \
	src/net/proxy.c \
	src/net/proxy.h \
	src/net/signature.c \
	src/net/signature.h \
	src/net/stream.c \
	src/net/stream.h \
	src/net/tls.c \
	src/net/tls.h \
	src/net/tls_inside.h \
	src/net/tls_resume.c \
	src/net/tls_session.c \
	src/net/tls_session.h \
	src/net/tls_ticket.c \
	src/net/transcript.c \
	src/net/transcript.h \
	src/net/wire.c \
	src/net/wire.h
