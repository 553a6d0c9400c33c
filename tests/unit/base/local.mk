# Unit tests of src/base.
check_PROGRAMS += unit_base
TESTS += unit_base
unit_base_SOURCES =
unit_base_LDADD = $(floor_base) $(CRITERION_LIBS)
