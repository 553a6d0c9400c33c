# HTTP: health, metrics, the APIs.
noinst_LIBRARIES += libweb.a
libweb_a_SOURCES = \
	src/service/web/web.h
