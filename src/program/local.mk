# Master, workers, the operator's command line: everything but the mains.
noinst_LIBRARIES += libprogram.a
libprogram_a_SOURCES = \
	src/program/cli.c src/program/cli.h src/program/cli_run.h \
	src/program/cli_address.c \
	src/program/cli_ban.c \
	src/program/cli_answer.c src/program/cli_answer.h \
	src/program/cli_completion.c \
	src/program/cli_dkim.c \
	src/program/cli_domain.c \
	src/program/cli_find.c src/program/cli_find.h \
	src/program/cli_folder.c \
	src/program/cli_handling.c \
	src/program/cli_group.c src/program/cli_index.c \
	src/program/cli_help.c \
	src/program/cli_job.c \
	src/program/cli_ledger.c \
	src/program/cli_logon.c \
	src/program/cli_mail.c \
	src/program/cli_mailbox.c \
	src/program/cli_manual.c \
	src/program/cli_message.c \
	src/program/cli_parse.c \
	src/program/cli_postoffice.c \
	src/program/cli_queue.c \
	src/program/cli_schema.c \
	src/program/cli_settings.c \
	src/program/cli_share.c \
	src/program/cli_status.c \
	src/program/cli_session.c \
	src/program/cli_sts.c \
	src/program/cli_tls_report.c \
	src/program/cli_table.c \
	src/program/cli_test.c \
	src/program/cli_trace.c \
	src/program/helper.c src/program/helper.h \
	src/program/logs.c src/program/logs.h \
	src/program/master.c src/program/master.h \
	src/program/privilege.c src/program/privilege.h \
	src/program/ready.c src/program/ready.h \
	src/program/runner.c src/program/runner.h \
	src/program/scribe.c src/program/scribe.h \
	src/program/server_options.def \
	src/program/service_table.c src/program/service_table.h \
	src/program/signals.c src/program/signals.h \
	src/program/worker.c src/program/worker.h

# The mains. A program is listed in sbin_PROGRAMS (pennypostd), bin_PROGRAMS (pennypost) or
# pkglibexec_PROGRAMS (sendmail) and links $(floor_program).
# The mains.
sbin_PROGRAMS += pennypostd
pennypostd_SOURCES = src/program/pennypostd.c
pennypostd_LDADD = $(floor_program)

bin_PROGRAMS += pennypost
pennypost_SOURCES = src/program/pennypost.c
pennypost_LDADD = $(floor_program)

# Manual pages are made by the program itself, of the tables it works by.
nodist_man_MANS = pennypost.1 pennypost-settings.5 pennypost.conf.5 pennypostd.8
CLEANFILES += $(nodist_man_MANS)
pennypost.1: pennypost$(EXEEXT)
	$(AM_V_GEN)./pennypost$(EXEEXT) manual command >$@.new && mv $@.new $@
pennypost-settings.5: pennypost$(EXEEXT)
	$(AM_V_GEN)./pennypost$(EXEEXT) manual settings >$@.new && mv $@.new $@
pennypost.conf.5: pennypost$(EXEEXT)
	$(AM_V_GEN)./pennypost$(EXEEXT) manual conf >$@.new && mv $@.new $@
pennypostd.8: pennypost$(EXEEXT)
	$(AM_V_GEN)./pennypost$(EXEEXT) manual server >$@.new && mv $@.new $@

# Completion, where the shells look for it.
bashcompletiondir = $(datadir)/bash-completion/completions
zshcompletiondir = $(datadir)/zsh/site-functions
nodist_bashcompletion_DATA = completion/pennypost
nodist_zshcompletion_DATA = completion/_pennypost
CLEANFILES += $(nodist_bashcompletion_DATA) $(nodist_zshcompletion_DATA)
completion/pennypost: pennypost$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) completion && ./pennypost$(EXEEXT) completion bash >$@.new && mv $@.new $@
completion/_pennypost: pennypost$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) completion && ./pennypost$(EXEEXT) completion zsh >$@.new && mv $@.new $@

# doc/settings.md is kept in the tree; tests/cli/manual.sh tells when it is out of date.
settings-reference: pennypost$(EXEEXT)
	./pennypost$(EXEEXT) manual settings --markdown >$(srcdir)/doc/settings.md
.PHONY: settings-reference
