# Pure functions over slices: addresses, headers, dates, MIME.
noinst_LIBRARIES += libmail.a
libmail_a_SOURCES = \
	src/mail/address.c src/mail/address.h src/mail/address_list.c \
	src/mail/arc.c src/mail/arc.h src/mail/arc_inside.h src/mail/arc_seal.c \
	src/mail/authres.c src/mail/authres.h \
	src/mail/autoreply.c src/mail/autoreply.h \
	src/mail/charset.c src/mail/charset.h \
	src/mail/collate.c src/mail/collate.h \
	src/mail/compose.c src/mail/compose.h \
	src/mail/content.c src/mail/content.h \
	src/mail/date.c src/mail/date.h \
	src/mail/dkim.c src/mail/dkim.h src/mail/dkim_record.c src/mail/dkim_sign.c \
	src/mail/dmarc.c src/mail/dmarc.h \
	src/mail/dot.c src/mail/dot.h \
	src/mail/downgrade.c src/mail/downgrade.h \
	src/mail/dsn.c src/mail/dsn.h \
	src/mail/envelope.c src/mail/envelope.h \
	src/mail/fuzzy.c src/mail/fuzzy.h \
	src/mail/header.c src/mail/header.h src/mail/header_build.c \
	src/mail/imap_string.c src/mail/imap_string.h \
	src/mail/lookup.h \
	src/mail/milter.c src/mail/milter.h src/mail/milter_header.c src/mail/milter_header.h \
	src/mail/mime.c src/mail/mime.h \
	src/mail/mta_sts.c src/mail/mta_sts.h \
	src/mail/notice.c src/mail/notice.h \
	src/mail/pack.h \
	src/mail/parameter.c src/mail/parameter.h \
	src/mail/preview.c src/mail/preview.h \
	src/mail/seek.c src/mail/seek.h \
	src/mail/seven_bit.c src/mail/seven_bit.h \
	src/mail/signature.c src/mail/signature.h src/mail/signature_field.c \
	src/mail/signature_inside.h src/mail/signature_judge.c src/mail/signature_write.c \
	src/mail/sketch.c src/mail/sketch.h \
	src/mail/spf.c src/mail/spf.h src/mail/spf_record.c src/mail/spf_record.h \
	src/mail/srs.c src/mail/srs.h \
	src/mail/structure.c src/mail/structure.h \
	src/mail/tls_record.c src/mail/tls_record.h \
	src/mail/tls_report.c src/mail/tls_report.h \
	src/mail/transfer.c src/mail/transfer.h \
	src/mail/word.c src/mail/word.h
