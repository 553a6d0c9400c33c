/* The table of services; see service_table.h. */
#include "program/service_table.h"

#include "connector/smtp/smtp.h"
#include "service/imap/imap.h"
#include "service/pop3/pop3.h"

const struct service_row service_rows[] = {
	{"smtp", S_smtp_listen, SERVICE_SMTP, false, smtp_conversation, smtp_command_name},
	{"submission", S_submission_listen, SERVICE_SUBMISSION, false, smtp_conversation,
		smtp_command_name},
	{"submissions", S_submissions_listen, SERVICE_SUBMISSION, true, smtp_conversation,
		smtp_command_name},
	{"outbound", S_COUNT, SERVICE_SMTP, false, NULL,
		NULL}, /* workers of its own, without clients */
	{"pop3", S_pop3_listen, SERVICE_POP3, false, pop3_conversation, pop3_command_name},
	{"pop3s", S_pop3s_listen, SERVICE_POP3, true, pop3_conversation, pop3_command_name},
	{"imap", S_imap_listen, SERVICE_IMAP, false, imap_conversation, imap_command_name},
	{"imaps", S_imaps_listen, SERVICE_IMAP, true, imap_conversation, imap_command_name},
	{"http", S_http_listen, SERVICE_HTTP, false, NULL, NULL},
};
const int service_row_count = sizeof service_rows / sizeof *service_rows;

void service_commands_name(void)
{
	const char *name;

	for (int i = 0; i < service_row_count; i++)
		for (int n = 0; service_rows[i].command && (name = service_rows[i].command(n)); n++)
			metric_command_name(service_rows[i].service, name);
}

status service_row_find(slice word, const struct service_row **out)
{
	for (int i = 0; i < service_row_count; i++)
		if (slice_same_nocase(word, slice_z(service_rows[i].word))) {
			*out = &service_rows[i];
			return ST_OK;
		}
	return ST_ABSENT;
}
