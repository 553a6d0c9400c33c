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
if FUZZING
# make fuzz FUZZ_SECONDS=600: each target for so long. What is new goes to fuzz-corpus/, what crashes
# to fuzz-corpus/<target>-crash-...; a file that matters moves to tests/fuzz/corpus.
FUZZ_SECONDS = 60
fuzz: $(fuzz_programs)
	@passed=0; failed=0; for p in $(fuzz_programs); do \
		name=$${p#fuzz_}; dict=$(srcdir)/tests/fuzz/$$name.dict; \
		$(MKDIR_P) fuzz-corpus/$$p; \
		if ./$$p -max_total_time=$(FUZZ_SECONDS) -timeout=5 -rss_limit_mb=2048 -print_final_stats=1 \
			-artifact_prefix=fuzz-corpus/$$p- $$(test ! -f $$dict || echo -dict=$$dict) \
			fuzz-corpus/$$p $(srcdir)/tests/fuzz/corpus/$$name >fuzz-corpus/$$p.log 2>&1; \
		then passed=$$((passed + 1)); else failed=$$((failed + 1)); tail -n 40 fuzz-corpus/$$p.log; fi; \
		echo "$$p: $$(sed -n 's/^stat::number_of_executed_units: */executions /p' fuzz-corpus/$$p.log)"; \
	done; echo "$$passed passed, $$failed failed"; test $$failed -eq 0
else
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

EXTRA_DIST += tests/fuzz/corpus/dns
fuzz_programs += fuzz_dns
fuzz_dns_SOURCES = tests/fuzz/dns.c
fuzz_dns_LDADD = $(fuzz_main) $(floor_net)

EXTRA_DIST += tests/fuzz/corpus/proxy
fuzz_programs += fuzz_proxy
fuzz_proxy_SOURCES = tests/fuzz/proxy.c
fuzz_proxy_LDADD = $(fuzz_main) $(floor_net)

EXTRA_DIST += tests/fuzz/corpus/address
fuzz_programs += fuzz_address
fuzz_address_SOURCES = tests/fuzz/address.c
fuzz_address_LDADD = $(fuzz_main) $(floor_mail)

EXTRA_DIST += tests/fuzz/corpus/date
fuzz_programs += fuzz_date
fuzz_date_SOURCES = tests/fuzz/date.c
fuzz_date_LDADD = $(fuzz_main) $(floor_mail)

EXTRA_DIST += tests/fuzz/corpus/dsn
fuzz_programs += fuzz_dsn
fuzz_dsn_SOURCES = tests/fuzz/dsn.c
fuzz_dsn_LDADD = $(fuzz_main) $(floor_mail)

EXTRA_DIST += tests/fuzz/corpus/arc
fuzz_programs += fuzz_arc
fuzz_arc_SOURCES = tests/fuzz/arc.c tests/unit/mail/toy.h
fuzz_arc_LDADD = $(fuzz_main) $(floor_mail)

EXTRA_DIST += tests/fuzz/corpus/dkim
fuzz_programs += fuzz_dkim
fuzz_dkim_SOURCES = tests/fuzz/dkim.c tests/unit/mail/toy.h
fuzz_dkim_LDADD = $(fuzz_main) $(floor_mail)

EXTRA_DIST += tests/fuzz/corpus/dkim_key
fuzz_programs += fuzz_dkim_key
fuzz_dkim_key_SOURCES = tests/fuzz/dkim_key.c
fuzz_dkim_key_LDADD = $(fuzz_main) $(floor_net)

EXTRA_DIST += tests/fuzz/corpus/dot
fuzz_programs += fuzz_dot
fuzz_dot_SOURCES = tests/fuzz/dot.c
fuzz_dot_LDADD = $(fuzz_main) $(floor_mail)

EXTRA_DIST += tests/fuzz/corpus/esmtp_param
fuzz_programs += fuzz_esmtp_param
fuzz_esmtp_param_SOURCES = tests/fuzz/esmtp_param.c
fuzz_esmtp_param_LDADD = $(fuzz_main) $(floor_mail)

EXTRA_DIST += tests/fuzz/corpus/seven_bit
fuzz_programs += fuzz_seven_bit
fuzz_seven_bit_SOURCES = tests/fuzz/seven_bit.c
fuzz_seven_bit_LDADD = $(fuzz_main) $(floor_mail)

EXTRA_DIST += tests/fuzz/corpus/downgrade
fuzz_programs += fuzz_downgrade
fuzz_downgrade_SOURCES = tests/fuzz/downgrade.c
fuzz_downgrade_LDADD = $(fuzz_main) $(floor_mail)

EXTRA_DIST += tests/fuzz/corpus/header
fuzz_programs += fuzz_header
fuzz_header_SOURCES = tests/fuzz/header.c
fuzz_header_LDADD = $(fuzz_main) $(floor_mail)

EXTRA_DIST += tests/fuzz/corpus/mime
fuzz_programs += fuzz_mime
fuzz_mime_SOURCES = tests/fuzz/mime.c
fuzz_mime_LDADD = $(fuzz_main) $(floor_mail)

EXTRA_DIST += tests/fuzz/corpus/mutf7
fuzz_programs += fuzz_mutf7
fuzz_mutf7_SOURCES = tests/fuzz/mutf7.c
fuzz_mutf7_LDADD = $(fuzz_main) $(floor_mail)

EXTRA_DIST += tests/fuzz/corpus/structure
fuzz_programs += fuzz_structure
fuzz_structure_SOURCES = tests/fuzz/structure.c
fuzz_structure_LDADD = $(fuzz_main) $(floor_mail)

EXTRA_DIST += tests/fuzz/corpus/param2231
fuzz_programs += fuzz_param2231
fuzz_param2231_SOURCES = tests/fuzz/param2231.c
fuzz_param2231_LDADD = $(fuzz_main) $(floor_mail)

EXTRA_DIST += tests/fuzz/corpus/spf
fuzz_programs += fuzz_spf
fuzz_spf_SOURCES = tests/fuzz/spf.c
fuzz_spf_LDADD = $(fuzz_main) $(floor_mail)

EXTRA_DIST += tests/fuzz/corpus/srs
fuzz_programs += fuzz_srs
fuzz_srs_SOURCES = tests/fuzz/srs.c
fuzz_srs_LDADD = $(fuzz_main) $(floor_mail)

EXTRA_DIST += tests/fuzz/corpus/authres
fuzz_programs += fuzz_authres
fuzz_authres_SOURCES = tests/fuzz/authres.c
fuzz_authres_LDADD = $(fuzz_main) $(floor_mail)

EXTRA_DIST += tests/fuzz/corpus/mta_sts
fuzz_programs += fuzz_mta_sts
fuzz_mta_sts_SOURCES = tests/fuzz/mta_sts.c
fuzz_mta_sts_LDADD = $(fuzz_main) $(floor_mail)

EXTRA_DIST += tests/fuzz/corpus/tls_report
fuzz_programs += fuzz_tls_report
fuzz_tls_report_SOURCES = tests/fuzz/tls_report.c
fuzz_tls_report_LDADD = $(fuzz_main) $(floor_mail)

EXTRA_DIST += tests/fuzz/corpus/dmarc
fuzz_programs += fuzz_dmarc
fuzz_dmarc_SOURCES = tests/fuzz/dmarc.c
fuzz_dmarc_LDADD = $(fuzz_main) $(floor_mail)

EXTRA_DIST += tests/fuzz/corpus/transfer
fuzz_programs += fuzz_transfer
fuzz_transfer_SOURCES = tests/fuzz/transfer.c
fuzz_transfer_LDADD = $(fuzz_main) $(floor_mail)

EXTRA_DIST += tests/fuzz/corpus/word
fuzz_programs += fuzz_word
fuzz_word_SOURCES = tests/fuzz/word.c
fuzz_word_LDADD = $(fuzz_main) $(floor_mail)

EXTRA_DIST += tests/fuzz/corpus/sasl
fuzz_programs += fuzz_sasl
fuzz_sasl_SOURCES = tests/fuzz/sasl.c
fuzz_sasl_LDADD = $(fuzz_main) $(floor_talk_memory)

# Whole sessions.
EXTRA_DIST += tests/fuzz/corpus/smtp tests/fuzz/smtp.dict
fuzz_programs += fuzz_smtp
fuzz_smtp_SOURCES = tests/fuzz/smtp.c tests/fuzz/session.c tests/fuzz/session.h
fuzz_smtp_LDADD = libsmtp.a $(fuzz_main) $(floor_talk_memory)

EXTRA_DIST += tests/fuzz/corpus/smtp_reply tests/fuzz/smtp_reply.dict
fuzz_programs += fuzz_smtp_reply
fuzz_smtp_reply_SOURCES = tests/fuzz/smtp_reply.c
fuzz_smtp_reply_LDADD = libsmtp.a $(fuzz_main) $(floor_talk_memory)

EXTRA_DIST += tests/fuzz/corpus/milter tests/fuzz/milter.dict
fuzz_programs += fuzz_milter
fuzz_milter_SOURCES = tests/fuzz/milter.c
fuzz_milter_LDADD = libsmtp.a $(fuzz_main) $(floor_talk_memory)

EXTRA_DIST += tests/fuzz/corpus/pop3 tests/fuzz/pop3.dict
fuzz_programs += fuzz_pop3
fuzz_pop3_SOURCES = tests/fuzz/pop3.c tests/fuzz/session.c tests/fuzz/session.h
fuzz_pop3_LDADD = libpop3.a $(fuzz_main) $(floor_talk_memory)

EXTRA_DIST += tests/fuzz/corpus/imap tests/fuzz/imap.dict
fuzz_programs += fuzz_imap
fuzz_imap_SOURCES = tests/fuzz/imap.c tests/fuzz/session.c tests/fuzz/session.h
fuzz_imap_LDADD = libimap.a $(fuzz_main) $(floor_talk_memory)

EXTRA_DIST += tests/fuzz/corpus/imap_args
fuzz_programs += fuzz_imap_args
fuzz_imap_args_SOURCES = tests/fuzz/imap_args.c tests/fuzz/session.h
fuzz_imap_args_LDADD = libimap.a $(fuzz_main) $(floor_talk_memory)
