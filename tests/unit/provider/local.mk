# Unit tests of src/provider.
check_PROGRAMS += unit_provider
TESTS += unit_provider
unit_provider_SOURCES =
unit_provider_LDADD = $(floor_provider) $(CRITERION_LIBS)
