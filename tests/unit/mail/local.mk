# Unit tests of src/mail.
check_PROGRAMS += unit_mail
TESTS += unit_mail
unit_mail_SOURCES = tests/unit/mail/same.h tests/unit/mail/toy.h \
	tests/unit/mail/test_address.c \
	tests/unit/mail/test_arc.c \
	tests/unit/mail/test_authres.c \
	tests/unit/mail/test_autoreply.c \
	tests/unit/mail/test_charset.c \
	tests/unit/mail/test_collate.c \
	tests/unit/mail/test_compose.c \
	tests/unit/mail/test_content.c \
	tests/unit/mail/test_date.c \
	tests/unit/mail/test_dkim.c \
	tests/unit/mail/test_dmarc.c \
	tests/unit/mail/test_dot.c \
	tests/unit/mail/test_downgrade.c \
	tests/unit/mail/test_dsn.c \
	tests/unit/mail/test_fuzzy.c \
	tests/unit/mail/test_header.c \
	tests/unit/mail/test_imap.c \
	tests/unit/mail/test_milter.c \
	tests/unit/mail/test_mime.c \
	tests/unit/mail/test_mta_sts.c \
	tests/unit/mail/test_notice.c \
	tests/unit/mail/test_parameter.c \
	tests/unit/mail/test_preview.c \
	tests/unit/mail/table.c tests/unit/mail/table.h \
	tests/unit/mail/test_spf.c \
	tests/unit/mail/test_seven_bit.c \
	tests/unit/mail/test_sketch.c \
	tests/unit/mail/test_srs.c \
	tests/unit/mail/test_tls_report.c \
	tests/unit/mail/test_transfer.c \
	tests/unit/mail/test_word.c
unit_mail_LDADD = $(floor_mail) $(CRITERION_LIBS)
EXTRA_DIST += tests/unit/mail/spf.vectors
