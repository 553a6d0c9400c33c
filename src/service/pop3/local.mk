# POP3.
noinst_LIBRARIES += libpop3.a
libpop3_a_SOURCES = \
	src/service/pop3/pop3.h
