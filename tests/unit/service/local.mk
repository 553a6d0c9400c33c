# Unit tests of the services, on the in-memory provider.
check_PROGRAMS += unit_service
TESTS += unit_service
unit_service_SOURCES = tests/unit/service/imap_args.c tests/unit/service/imap_off.c tests/unit/service/imap_packed.c \
	tests/unit/service/imap_turns.c tests/fuzz/session.c tests/fuzz/session.h tests/unit/service/pop3.c tests/unit/service/web.c
unit_service_LDADD = libimap.a libpop3.a libweb.a $(floor_talk_memory) $(MICROHTTPD_LIBS) $(JANSSON_LIBS) $(CRITERION_LIBS)
# imap_turns counts how often others have a turn.
unit_service_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=task_breathe
