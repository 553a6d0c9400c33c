# The ground floor: values, memory, log, clock, encodings.
noinst_LIBRARIES += libbase.a
libbase_a_SOURCES = \
	src/base/arena.c \
	src/base/arena.h \
	src/base/clock.c \
	src/base/clock.h \
	src/base/encode.c \
	src/base/encode.h \
	src/base/events.def \
	src/base/fault.c \
	src/base/fault.h \
	src/base/id.c \
	src/base/id.h \
	src/base/list.h \
	src/base/log.c \
	src/base/log.h \
	src/base/map.c \
	src/base/map.h \
	src/base/memory.c \
	src/base/memory.h \
	src/base/metric.c \
	src/base/metric.h \
	src/base/metrics.def \
	src/base/random.c \
	src/base/random.h \
	src/base/record.c \
	src/base/record.h \
	src/base/secret.c \
	src/base/secret.h \
	src/base/shared.c \
	src/base/shared.h \
	src/base/slice.c \
	src/base/slice.h \
	src/base/status.c \
	src/base/status.h \
	src/base/text.c \
	src/base/text.h \
	src/base/utf8.c \
	src/base/utf8.h
