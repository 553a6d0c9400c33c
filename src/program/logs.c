/* Which logs are on; see logs.h. */
#include "program/logs.h"

#include "base/record.h"
#include "provider/setting.h"
#include "task/task.h"

#include <stdatomic.h>

static enum service own;
static _Atomic unsigned elsewhere; /* where events go beside standard error */

enum { TO_FILE = 1, TO_SYSLOG = 2 };

/* What the present task is for. */
static enum service service_now(void)
{
	int label = task_label_now();

	return label ? (enum service)label : own;
}

static bool wants(log_level level, bool written)
{
	(void)level;
	return (written && elsewhere) || (record_kinds(service_now()) & RECORD_DEBUG);
}

static void take(log_level level, bool written, slice line)
{
	unsigned to = written ? elsewhere : 0;
	enum service s = service_now();

	if (record_kinds(s) & RECORD_DEBUG)
		record_words(s, line);
	if (to & TO_FILE)
		record_server(line);
	if (to & TO_SYSLOG)
		record_syslog(level, line);
}

void logs_open(int pipe, enum service of)
{
	static const struct log_tap tap = {wants, take};

	own = of;
	record_open(pipe);
	log_tap_set(pipe >= 0 ? &tap : NULL);
}

static unsigned kinds_in(enum setting_id id)
{
	static const struct {
		slice word;
		unsigned kind;
	} rows[] = {{S("w3c"), RECORD_W3C}, {S("activity"), RECORD_ACTIVITY},
		{S("debug"), RECORD_DEBUG}};
	unsigned kinds = 0;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (setting_lists(id, NULL, rows[i].word))
			kinds |= rows[i].kind;
	return kinds;
}

static void set_rule(enum service s, unsigned kinds, slice fields, enum setting_id period)
{
	arena a = ARENA_INIT;

	record_rule_set(
		s, &(struct record_rule){kinds, fields, arena_z(&a, setting_text(period, NULL)),
			   setting_number(S_log_file_most, NULL)});
	arena_release(&a);
}

void logs_tend(void)
{
	static const struct {
		enum service service;
		enum setting_id kinds, fields, period;
	} rows[] = {
		{SERVICE_SMTP, S_smtp_log, S_smtp_log_fields, S_smtp_log_period},
		{SERVICE_POP3, S_pop3_log, S_pop3_log_fields, S_pop3_log_period},
		{SERVICE_IMAP, S_imap_log, S_imap_log_fields, S_imap_log_period},
		{SERVICE_HTTP, S_http_log, S_http_log_fields, S_http_log_period},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		set_rule(rows[i].service, kinds_in(rows[i].kinds),
			setting_text(rows[i].fields, NULL), rows[i].period);
	set_rule(SERVICE_NONE, 0, S(""), S_log_period);
	elsewhere = (setting_lists(S_log_also, NULL, S("file")) ? TO_FILE : 0u) |
		    (setting_lists(S_log_also, NULL, S("syslog")) ? TO_SYSLOG : 0u);
}
