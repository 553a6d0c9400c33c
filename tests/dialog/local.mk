# Dialog tests: conversations as plain text, played against the services over the in-memory provider;
# once as they are, once byte by byte, once with each fault point failing.
if TESTS_BUILT
check_PROGRAMS += dialog
dialog_SOURCES = \
	tests/dialog/certificate.c \
	tests/dialog/certificate.h \
	tests/dialog/house.c \
	tests/dialog/invariant.c \
	tests/dialog/play.h \
	tests/dialog/resolver.c \
	tests/dialog/resolver.h \
	tests/dialog/run.c \
	tests/dialog/seal.c \
	tests/dialog/script.c \
	tests/dialog/script.h \
	tests/dialog/talk.c
dialog_LDADD = libimap.a libpop3.a libsmtp.a $(floor_talk_memory)
dialog_scripts = \
	tests/dialog/plain.sh \
	tests/dialog/bytes.sh \
	tests/dialog/octets.sh \
	tests/dialog/faults-smtp.sh \
	tests/dialog/faults-readers.sh
dist_check_SCRIPTS += $(dialog_scripts)
TESTS += $(dialog_scripts)
endif
EXTRA_DIST += tests/dialog/README.md tests/dialog/smtp tests/dialog/pop3 tests/dialog/imap
