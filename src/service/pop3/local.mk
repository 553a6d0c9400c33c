# POP3.
noinst_LIBRARIES += libpop3.a
libpop3_a_SOURCES = \
	src/service/pop3/capabilities.def \
	src/service/pop3/logon.c \
	src/service/pop3/maildrop.c \
	src/service/pop3/message.c \
	src/service/pop3/pop3.h \
	src/service/pop3/server.c \
	src/service/pop3/session.h
