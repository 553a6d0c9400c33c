# Unit tests of src/net.
check_PROGRAMS += unit_net
TESTS += unit_net
unit_net_SOURCES =
unit_net_LDADD = $(floor_net) $(CRITERION_LIBS)
