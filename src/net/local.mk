# Streams, TLS, listeners, DNS, conversations.
noinst_LIBRARIES += libnet.a
libnet_a_SOURCES = \
	src/net/address.h \
	src/net/conversation.h \
	src/net/listener.h \
	src/net/stream.h \
	src/net/tls.h
