# Unit tests of src/base.
check_PROGRAMS += unit_base
TESTS += unit_base
unit_base_SOURCES = \
	tests/unit/base/arena.c \
	tests/unit/base/clock.c \
	tests/unit/base/encode.c \
	tests/unit/base/fault.c \
	tests/unit/base/id.c \
	tests/unit/base/list.c \
	tests/unit/base/log.c \
	tests/unit/base/map.c \
	tests/unit/base/memory.c \
	tests/unit/base/metric.c \
	tests/unit/base/random.c \
	tests/unit/base/record.c \
	tests/unit/base/slice.c \
	tests/unit/base/status.c \
	tests/unit/base/text.c \
	tests/unit/base/utf8.c
unit_base_LDADD = $(floor_base) $(CRITERION_LIBS)
