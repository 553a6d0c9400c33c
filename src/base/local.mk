# The ground floor: values, memory, log, clock, encodings.
noinst_LIBRARIES += libbase.a
libbase_a_SOURCES = \
	src/base/arena.h \
	src/base/clock.h \
	src/base/encode.h \
	src/base/events.def \
	src/base/fault.h \
	src/base/id.h \
	src/base/list.h \
	src/base/log.h \
	src/base/map.h \
	src/base/memory.h \
	src/base/metric.h \
	src/base/metrics.def \
	src/base/random.h \
	src/base/secret.h \
	src/base/slice.h \
	src/base/status.h \
	src/base/text.h \
	src/base/utf8.h
