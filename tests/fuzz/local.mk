# Fuzz targets: one function each, tests/fuzz/<name>.c, corpus in tests/fuzz/corpus/<name>/.
# With --enable-fuzzing they are libFuzzer programs; otherwise replay.c runs their corpora in
# "make check". A target adds fuzz_<name> to fuzz_programs and says what it links beside $(fuzz_main).
if FUZZING
fuzz_main = $(FUZZ_LDFLAGS)
else
fuzz_main = libreplay.a
check_LIBRARIES += libreplay.a
libreplay_a_SOURCES = tests/fuzz/replay.c
endif
fuzz_programs =
check_PROGRAMS += $(fuzz_programs)
if !FUZZING
TESTS += $(fuzz_programs)
endif

EXTRA_DIST += tests/fuzz/corpus/base64
fuzz_programs += fuzz_base64
fuzz_base64_SOURCES = tests/fuzz/base64.c
fuzz_base64_LDADD = $(fuzz_main) $(floor_base)

EXTRA_DIST += tests/fuzz/corpus/line
fuzz_programs += fuzz_line
fuzz_line_SOURCES = tests/fuzz/line.c
fuzz_line_LDADD = $(fuzz_main) $(floor_net)
