# HTTP: health, metrics, the APIs.
noinst_LIBRARIES += libweb.a
libweb_a_SOURCES = \
	src/service/web/caller.c \
	src/service/web/caller.h \
	src/service/web/health.c \
	src/service/web/route.h \
	src/service/web/server.c \
	src/service/web/web.h
