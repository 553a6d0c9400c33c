# The only road to stored facts.
noinst_LIBRARIES += libprovider.a
# Needs no database: both implementations of the contracts stand on it.
provider_shared = \
	src/provider/acl_rule.c src/provider/acl_row.h \
	src/provider/auth_apop.c src/provider/auth_apop.h \
	src/provider/auth_name.c src/provider/auth_name.h \
	src/provider/auth_rule.c src/provider/auth_weak.def \
	src/provider/auth_throttle.c src/provider/auth_throttle.h \
	src/provider/digest.c src/provider/digest.h \
	src/provider/trace_kind.c \
	src/provider/dnsbl_service.c src/provider/dnsbl_service.h \
	src/provider/queue_bell.c \
	src/provider/redirection_check.c src/provider/redirection_check.h \
	src/provider/folder_name.c \
	src/provider/folder_first.c src/provider/folder_first.h \
	src/provider/folder_order.c src/provider/folder_order.h \
	src/provider/header_facts.c src/provider/header_facts.h \
	src/provider/group_rule.c \
	src/provider/internal.c src/provider/internal.h \
	src/provider/mailbox_duty.c src/provider/mailbox_duty.h \
	src/provider/resolve.c src/provider/resolve.h \
	src/provider/keyword.c \
	src/provider/keyword_words.c src/provider/keyword_words.h \
	src/provider/message_head.c src/provider/message_head.h \
	src/provider/message_kept.c src/provider/message_kept.h \
	src/provider/milter_service.c src/provider/milter_service.h \
	src/provider/news.c src/provider/news_bell.h \
	src/provider/sasl.c src/provider/sasl_exchange.c src/provider/sasl.h \
	src/provider/saslprep.c src/provider/saslprep.h \
	src/provider/scram.c src/provider/scram.h \
	src/provider/postoffice_name.c \
	src/provider/setting_form.c src/provider/setting_form.h \
	src/provider/setting_parse.c src/provider/setting_parse.h \
	src/provider/srs_scheme.c src/provider/srs_scheme.h \
	src/provider/view.c src/provider/view_image.c src/provider/view_image.h
libprovider_a_SOURCES = $(provider_shared) \
	src/provider/acl.c src/provider/acl.h \
	src/provider/annotation.c src/provider/annotation.h \
	src/provider/answer.c src/provider/answer.h \
	src/provider/append.c \
	src/provider/auth.c \
	src/provider/auth_failure.c src/provider/auth_failure.h \
	src/provider/auth_cache.c src/provider/auth_cache.h \
	src/provider/auth_secret.c src/provider/auth_secret.h \
	src/provider/secret_print.c src/provider/secret_print.h \
	src/provider/audit.c \
	src/provider/batch.c src/provider/batch.h \
	src/provider/bootstrap.c \
	src/provider/brief.c src/provider/brief.h \
	src/provider/change.c \
	src/provider/connection.c src/provider/connection.h \
	src/provider/db.c \
	src/provider/db_link.c \
	src/provider/address_map.c src/provider/address_map.h src/provider/address_target.h \
	src/provider/blob.c src/provider/blob_store.h \
	src/provider/deliver.c src/provider/deliver_inside.h \
	src/provider/deliver_rows.c src/provider/deliver_text.c \
	src/provider/dkim_key.c \
	src/provider/domain.c \
	src/provider/folder.c src/provider/folder_admin.h src/provider/folder_clear.c src/provider/folder_expunge.h \
	src/provider/folder_look.c src/provider/folder_look.h \
	src/provider/folder_page.c src/provider/folder_page.h src/provider/folder_page_inside.h \
	src/provider/folder_row.h src/provider/folder_tree.c src/provider/folder_undelete.c \
	src/provider/greylist.c src/provider/greylist.h \
	src/provider/group.c src/provider/group.h src/provider/group_row.h \
	src/provider/keyword_store.c \
	src/provider/mailbox.c src/provider/mailbox_fresh.h \
	src/provider/maildrop.c src/provider/maildrop.h \
	src/provider/maildrop_door.c src/provider/maildrop_door.h \
	src/provider/maildrop_enter.c src/provider/maildrop_enter.h \
	src/provider/maildrop_leave.c src/provider/maildrop_leave.h \
	src/provider/maildrop_stay.c src/provider/maildrop_stay.h \
	src/provider/message.c \
	src/provider/message_fact.c src/provider/message_fact_cache.h \
	src/provider/message_row.c src/provider/message_row.h \
	src/provider/message_sketch.c \
	src/provider/message_sketch.h \
	src/provider/news_bell.c \
	src/provider/postoffice.c \
	src/provider/queue.c src/provider/queue_admin.c src/provider/queue_refused.c src/provider/queue_row.c src/provider/queue_row.h \
	src/provider/redirection.c src/provider/redirection.h \
	src/provider/repeat.c src/provider/repeat.h \
	src/provider/route.c \
	src/provider/ban_list.c src/provider/ban_list.h \
	src/provider/housekeep.c \
	src/provider/job.c src/provider/job.h \
	src/provider/lease.c src/provider/lease.h \
	src/provider/ledger.c src/provider/ledger.h \
	src/provider/migrate.c src/provider/migrate.h \
	src/provider/node.c \
	src/provider/search_index.c \
	src/provider/search_index.h \
	src/provider/session.c \
	src/provider/session.h \
	src/provider/provider.c \
	src/provider/setting.c \
	src/provider/settle.c src/provider/settle.h \
	src/provider/srs_key.c src/provider/srs_key.h \
	src/provider/sts_policy.c \
	src/provider/sts_policy.h \
	src/provider/together.c src/provider/together.h \
	src/provider/tls_day.c src/provider/tls_day.h \
	src/provider/tls_result.c \
	src/provider/tls_result.h \
	src/provider/tls_result_row.h \
	src/provider/trace.c \
	src/provider/view_cache.c src/provider/view_cache.h \
	src/provider/view_load.c src/provider/view_load.h \
	src/provider/varint.h \
	src/provider/view_pack.c src/provider/view_pack.h \
	src/provider/view_look.c src/provider/view_look.h \
	src/provider/view_copy.c \
	src/provider/view_own.c src/provider/view_own.h \
	src/provider/view_store.c \
	src/provider/warm.c src/provider/warm.h \
	src/provider/watch.h \
	src/provider/wire.c src/provider/wire.h \
	src/provider/auth.h \
	src/provider/bootstrap.h \
	src/provider/bootstrap_keys.def \
	src/provider/setting.h \
	src/provider/settings.def \
	src/provider/append.h \
	src/provider/audit.h \
	src/provider/blob.h \
	src/provider/queue.h \
	src/provider/route.h \
	src/provider/change.h \
	src/provider/db.h \
	src/provider/deliver.h \
	src/provider/dkim_key.h \
	src/provider/domain.h \
	src/provider/folder.h \
	src/provider/housekeep.h \
	src/provider/keyword.h \
	src/provider/mailbox.h \
	src/provider/message.h \
	src/provider/message_fact.h \
	src/provider/news.h \
	src/provider/node.h \
	src/provider/postoffice.h \
	src/provider/provider.h \
	src/provider/statement.h \
	src/provider/trace.h \
	src/provider/view.h
