/* The run functions of the table's rows, by file. */
#ifndef PENNYPOST_PROGRAM_CLI_RUN_H
#define PENNYPOST_PROGRAM_CLI_RUN_H

#include "program/cli.h"

/* cli_schema.c */
status cli_schema_init(struct cli *c);
status cli_schema_migrate(struct cli *c);
status cli_schema_secret(struct cli *c);
status cli_schema_status(struct cli *c);

/* cli_settings.c */
status cli_settings_list(struct cli *c);
status cli_settings_exceptions(struct cli *c);
status cli_settings_get(struct cli *c);
status cli_settings_set(struct cli *c);
status cli_settings_unset(struct cli *c);

/* cli_postoffice.c */
status cli_postoffice_add(struct cli *c);
status cli_postoffice_list(struct cli *c);
status cli_postoffice_show(struct cli *c);
status cli_postoffice_enable(struct cli *c);
status cli_postoffice_disable(struct cli *c);
status cli_postoffice_remove(struct cli *c);

/* cli_domain.c */
status cli_domain_add(struct cli *c);
status cli_domain_alias(struct cli *c);
status cli_domain_list(struct cli *c);
status cli_domain_show(struct cli *c);
status cli_domain_set(struct cli *c);
status cli_domain_remove(struct cli *c);

/* cli_dkim.c */
status cli_dkim_add(struct cli *c);
status cli_ban_add(struct cli *c);
status cli_ban_lift(struct cli *c);
status cli_ban_list(struct cli *c);
status cli_dkim_list(struct cli *c);
status cli_dkim_show(struct cli *c);
status cli_dkim_rotate(struct cli *c);
status cli_dkim_delete(struct cli *c);

/* cli_mailbox.c */
status cli_mailbox_add(struct cli *c);
status cli_mailbox_add_many(struct cli *c);
status cli_mailbox_list(struct cli *c);
status cli_mailbox_show(struct cli *c);
status cli_mailbox_password(struct cli *c);
status cli_mailbox_enable(struct cli *c);
status cli_mailbox_disable(struct cli *c);
status cli_mailbox_release(struct cli *c);
status cli_mailbox_kind(struct cli *c);
status cli_mailbox_quota(struct cli *c);
status cli_mailbox_remove(struct cli *c);
status cli_mailbox_logon_test(struct cli *c);

/* cli_handling.c */
status cli_mailbox_forward(struct cli *c);
status cli_mailbox_autoreply(struct cli *c);
status cli_srs_list(struct cli *c);
status cli_srs_rotate(struct cli *c);

/* cli_index.c */
status cli_index_list(struct cli *c);
status cli_index_rebuild(struct cli *c);

/* cli_group.c */
status cli_group_add(struct cli *c);
status cli_group_list(struct cli *c);
status cli_group_show(struct cli *c);
status cli_group_set(struct cli *c);
status cli_group_remove(struct cli *c);
status cli_group_members(struct cli *c);
status cli_group_import(struct cli *c);

/* cli_address.c */
status cli_address_add(struct cli *c);
status cli_address_list(struct cli *c);
status cli_address_remove(struct cli *c);
status cli_address_resolve(struct cli *c);

/* cli_message.c */
status cli_message_list(struct cli *c);
status cli_message_show(struct cli *c);
status cli_message_delete(struct cli *c);

/* cli_folder.c */
status cli_folder_list(struct cli *c);
status cli_folder_add(struct cli *c);
status cli_folder_remove(struct cli *c);
status cli_folder_rename(struct cli *c);
status cli_folder_removed(struct cli *c);

/* cli_share.c */
status cli_folder_share(struct cli *c);
status cli_folder_unshare(struct cli *c);
status cli_folder_rights(struct cli *c);
status cli_folder_shared(struct cli *c);
status cli_message_undelete(struct cli *c);

/* cli_mail.c */
status cli_mail_send(struct cli *c);
status cli_mail_postoffice(struct cli *c);
status cli_mail_owner(struct cli *c);

/* cli_job.c */
status cli_job_list(struct cli *c);
status cli_job_show(struct cli *c);
status cli_job_cancel(struct cli *c);

/* cli_ledger.c */
status cli_ledger_list(struct cli *c);
status cli_ledger_show(struct cli *c);
status cli_ledger_check(struct cli *c);
status cli_ledger_settle(struct cli *c);

/* cli_test.c */
status cli_test_spf(struct cli *c);
status cli_test_dkim(struct cli *c);
status cli_test_arc(struct cli *c);
status cli_test_dmarc(struct cli *c);
struct dns;
/* The DNS server of --dns, else of dns_servers where there are settings, or the system's. It fails
   where --dns names none; other kinds are nobody's misuse, and no error yet. */
status cli_resolver_find(struct cli *c, struct dns **out);
/* The same, and without it the command fails; the task's deadline is set to what a test may
   take. */
status cli_resolver_open(struct cli *c, struct dns **out);

/* cli_session.c */
status cli_session_list(struct cli *c);
status cli_session_end(struct cli *c);

/* cli_logon.c */
status cli_logon_list(struct cli *c);
status cli_logon_lift(struct cli *c);

/* cli_sts.c */
status cli_test_mta_sts(struct cli *c);
status cli_mta_sts_list(struct cli *c);
status cli_mta_sts_forget(struct cli *c);
status cli_tls_report_list(struct cli *c);
status cli_tls_report_show(struct cli *c);
status cli_tls_report_send(struct cli *c);

/* cli_queue.c */
status cli_queue_status(struct cli *c);
status cli_queue_list(struct cli *c);
status cli_queue_show(struct cli *c);
status cli_queue_retry(struct cli *c);
status cli_queue_hold(struct cli *c);
status cli_queue_release(struct cli *c);
status cli_queue_return(struct cli *c);
status cli_queue_delete(struct cli *c);
status cli_queue_tls(struct cli *c);
status cli_route_list(struct cli *c);
status cli_route_set(struct cli *c);
status cli_route_remove(struct cli *c);

/* cli_status.c */
status cli_status(struct cli *c);
status cli_audit_list(struct cli *c);
status cli_housekeep_run(struct cli *c);
status cli_version(struct cli *c);

/* cli_trace.c */
status cli_trace(struct cli *c);

/* cli_help.c */
status cli_help(struct cli *c);
status cli_completion(struct cli *c);
status cli_manual(struct cli *c);

#endif
