# Pure functions over slices: addresses, headers, dates, MIME.
noinst_LIBRARIES += libmail.a
libmail_a_SOURCES = \
	src/mail/address.c src/mail/address.h src/mail/address_list.c \
	src/mail/arc.h \
	src/mail/charset.c src/mail/charset.h \
	src/mail/compose.c src/mail/compose.h \
	src/mail/content.c src/mail/content.h \
	src/mail/date.c src/mail/date.h \
	src/mail/dkim.h \
	src/mail/dot.c src/mail/dot.h \
	src/mail/header.c src/mail/header.h src/mail/header_build.c \
	src/mail/lookup.h \
	src/mail/mime.c src/mail/mime.h \
	src/mail/parameter.c src/mail/parameter.h \
	src/mail/signature.h \
	src/mail/transfer.c src/mail/transfer.h \
	src/mail/word.c src/mail/word.h
