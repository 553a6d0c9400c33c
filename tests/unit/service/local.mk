# Unit tests of the services, on the in-memory provider.
check_PROGRAMS += unit_service
TESTS += unit_service
unit_service_SOURCES =
unit_service_LDADD = libpop3.a libweb.a $(floor_talk_memory) $(MICROHTTPD_LIBS) $(JANSSON_LIBS) $(CRITERION_LIBS)
