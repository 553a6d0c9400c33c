# Migrations (in their order) and named statements; both become tables inside libprovider.
sql_schema = \
	sql/schema/0001-foundation.sql \
	sql/schema/0002-logon.sql \
	sql/schema/0003-queue.sql \
	sql/schema/0004-dkim.sql \
	sql/schema/0005-reader.sql \
	sql/schema/0006-greylist.sql \
	sql/schema/0007-plans.sql \
	sql/schema/0008-annotation.sql \
	sql/schema/0009-handling.sql \
	sql/schema/0010-groups.sql \
	sql/schema/0011-folder-page.sql \
	sql/schema/0012-runner.sql \
	sql/schema/0013-route.sql \
	sql/schema/0014-sharing.sql \
	sql/schema/0015-sts.sql \
	sql/schema/0016-queue-key.sql \
	sql/schema/0017-answered.sql \
	sql/schema/0018-tls-report.sql \
	sql/schema/0019-ban.sql \
	sql/schema/0020-session.sql \
	sql/schema/0021-rights.sql \
	sql/schema/0022-notes.sql \
	sql/schema/0023-job.sql \
	sql/schema/0024-search-index.sql \
	sql/schema/0025-entry-room.sql \
	sql/schema/0026-folder-removed.sql \
	sql/schema/0027-trace-address.sql \
	sql/schema/0028-queue-orders.sql \
	sql/schema/0029-route-tries.sql \
	sql/schema/0030-trace-index.sql \
	sql/schema/0031-ledger.sql \
	sql/schema/0032-expunged-pack.sql \
	sql/schema/0033-expunged-pack-part.sql \
	sql/schema/0034-runner-ages.sql \
	sql/schema/0035-mailbox-counts.sql \
	sql/schema/0036-outcome-plain.sql \
	sql/schema/0037-sent-targets.sql \
	sql/schema/0038-sent-target-locks.sql \
	sql/schema/0039-repeat-fences.sql \
	sql/schema/0040-sent-refused.sql \
	sql/schema/0041-throttle-subject.sql
sql_statements = \
	sql/statement/acl.sql \
	sql/statement/address_map.sql \
	sql/statement/annotation.sql \
	sql/statement/answer.sql \
	sql/statement/append.sql \
	sql/statement/audit.sql \
	sql/statement/auth.sql \
	sql/statement/ban.sql \
	sql/statement/blob.sql \
	sql/statement/core.sql \
	sql/statement/deliver.sql \
	sql/statement/dkim_key.sql \
	sql/statement/domain.sql \
	sql/statement/expunged.sql \
	sql/statement/folder.sql \
	sql/statement/folder_page.sql \
	sql/statement/greylist.sql \
	sql/statement/group.sql \
	sql/statement/housekeep.sql \
	sql/statement/job.sql \
	sql/statement/keyword.sql \
	sql/statement/ledger.sql \
	sql/statement/mailbox.sql \
	sql/statement/maildrop.sql \
	sql/statement/message.sql \
	sql/statement/news.sql \
	sql/statement/node.sql \
	sql/statement/postoffice.sql \
	sql/statement/queue.sql \
	sql/statement/redirection.sql \
	sql/statement/repeat.sql \
	sql/statement/route.sql \
	sql/statement/search_index.sql \
	sql/statement/session.sql \
	sql/statement/setting.sql \
	sql/statement/srs_key.sql \
	sql/statement/sts_policy.sql \
	sql/statement/tls_result.sql \
	sql/statement/together.sql \
	sql/statement/trace.sql \
	sql/statement/view.sql
EXTRA_DIST += $(sql_schema) $(sql_statements) sql/statements.awk sql/migrations.awk

statement_tables = src/provider/statement_table.h src/provider/statement_table.c \
	src/provider/migration_table.c
BUILT_SOURCES += $(statement_tables)
CLEANFILES += $(statement_tables)

# /dev/null, so that awk also ends when a list is empty.
sql_awk = $(MKDIR_P) src/provider && cd $(srcdir) && $(AWK)
sql_inputs = $(sql_statements) sql/statements.awk sql/local.mk

src/provider/statement_table.h: $(sql_inputs)
	$(AM_V_GEN)($(sql_awk) -v want=header -f sql/statements.awk $(sql_statements) /dev/null) >$@.new \
		&& mv -f $@.new $@
src/provider/statement_table.c: $(sql_inputs)
	$(AM_V_GEN)($(sql_awk) -v want=table -f sql/statements.awk $(sql_statements) /dev/null) >$@.new \
		&& mv -f $@.new $@
src/provider/migration_table.c: $(sql_schema) sql/migrations.awk sql/local.mk
	$(AM_V_GEN)($(sql_awk) -f sql/migrations.awk $(sql_schema) /dev/null) >$@.new && mv -f $@.new $@

nodist_libprovider_a_SOURCES = $(statement_tables)
$(libprovider_a_OBJECTS) $(unit_store_pg_OBJECTS) $(unit_foreign_pg_OBJECTS) $(unit_outage_pg_OBJECTS) $(unit_auth_pg_OBJECTS) $(unit_queue_pg_OBJECTS) $(unit_runner_pg_OBJECTS) \
	$(unit_reader_pg_OBJECTS) $(view_bench_OBJECTS): | src/provider/statement_table.h
