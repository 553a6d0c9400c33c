# IMAP.
noinst_LIBRARIES += libimap.a
libimap_a_SOURCES = \
	src/service/imap/append.c \
	src/service/imap/args.c src/service/imap/args.h \
	src/service/imap/ask.c src/service/imap/key.h \
	src/service/imap/batches.c \
	src/service/imap/capabilities.def src/service/imap/families.def \
	src/service/imap/context.c src/service/imap/context.h \
	src/service/imap/fetch.c src/service/imap/fetch.h \
	src/service/imap/filter.c src/service/imap/filter.h \
	src/service/imap/flags.c src/service/imap/flags.h \
	src/service/imap/folders.c \
	src/service/imap/imap.h \
	src/service/imap/logon.c \
	src/service/imap/look.c src/service/imap/look.h \
	src/service/imap/metadata.c src/service/imap/metadata.h \
	src/service/imap/names.c src/service/imap/names.h \
	src/service/imap/notify.c src/service/imap/notify.h \
	src/service/imap/notify_read.c src/service/imap/notify_read.h \
	src/service/imap/order.c src/service/imap/order.h \
	src/service/imap/packed.c src/service/imap/packed.h \
	src/service/imap/place.c src/service/imap/place.h \
	src/service/imap/program.c src/service/imap/program.h \
	src/service/imap/quota.c \
	src/service/imap/rights.c \
	src/service/imap/search.c \
	src/service/imap/section.c src/service/imap/section.h \
	src/service/imap/select.c \
	src/service/imap/selected.c src/service/imap/selected.h \
	src/service/imap/server.c \
	src/service/imap/session.h \
	src/service/imap/sort.c src/service/imap/sort.h \
	src/service/imap/store.c \
	src/service/imap/thread.c \
	src/service/imap/url.c src/service/imap/url.h
