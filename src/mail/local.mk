# Pure functions over slices: addresses, headers, dates, MIME.
noinst_LIBRARIES += libmail.a
libmail_a_SOURCES = \
	src/mail/address.h \
	src/mail/date.h \
	src/mail/dot.c \
	src/mail/dot.h \
	src/mail/header.h \
	src/mail/parameter.h
