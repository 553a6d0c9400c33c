# Unit tests of the in-memory provider; sasl.c, which both providers share, is tested here too.
check_PROGRAMS += unit_memory
TESTS += unit_memory
unit_memory_SOURCES = \
	tests/unit/memory/store.c \
	tests/unit/memory/names.c \
	tests/unit/memory/services.c \
	tests/unit/memory/settings.c \
	tests/unit/memory/sasl.c \
	tests/unit/memory/guessing.c \
	tests/unit/memory/leads.c tests/unit/provider/leads.c tests/unit/provider/leads.h \
	tests/unit/memory/dkim_key.c tests/unit/provider/dkim_key.c tests/unit/provider/dkim_key.h \
	tests/unit/provider/handling.c \
	tests/unit/memory/reader.c \
	$(reader_tests)
unit_memory_LDADD = $(floor_talk_memory) $(CRITERION_LIBS)
