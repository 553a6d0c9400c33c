/* What the kinds of trace events are called, and what their rows say in words. Pure: a row's fields,
   and its place where that was asked for, are all that is known here. */
#include "provider/trace.h"

#include "base/id.h"
#include "base/text.h"
#include "mail/date.h"

const char *trace_name(enum trace_kind k)
{
	static const char *const names[TRACE_KINDS] = {[TRACE_ACCEPTED] = "accepted",
		[TRACE_DELIVERED] = "delivered",
		[TRACE_REFUSED] = "refused",
		[TRACE_REPEATED] = "repeated",
		[TRACE_READ] = "read",
		[TRACE_REMOVED] = "removed",
		[TRACE_QUEUED] = "queued",
		[TRACE_SENT] = "sent",
		[TRACE_DEFERRED] = "deferred",
		[TRACE_FAILED] = "failed",
		[TRACE_REPORTED] = "reported",
		[TRACE_PARKED] = "parked",
		[TRACE_JUDGED] = "judged",
		[TRACE_EXPANDED] = "expanded"};
	return k < TRACE_KINDS ? names[k] : "other";
}

/* ---- fields */

/* Where the value that begins here ends, a quoted one behind its quote. */
static size_t value_end(slice s)
{
	size_t at = 1;

	if (s.size == 0 || s.at[0] != '"')
		return slice_find(s, ' ');
	while (at < s.size && s.at[at] != '"')
		at += s.at[at] == '\\' ? 2 : 1;
	return at < s.size ? at + 1 : s.size;
}

static slice unquoted(slice value)
{
	if (value.size == 0 || value.at[0] != '"')
		return value;
	bool closed = value.size > 1 && value.at[value.size - 1] == '"';
	return slice_of(value.at + 1, value.size - 1 - closed);
}

/* What stands within quotes is never taken for a key: much of it was said by strangers. */
bool trace_next(slice *fields, slice *name, slice *value)
{
	while (fields->size > 0) {
		size_t blank = slice_find(*fields, ' '), equals = slice_find(*fields, '=');
		if (blank < equals || equals == fields->size) {
			*fields = slice_from(*fields, blank + 1);
			continue;
		}
		*name = slice_until(*fields, equals);
		*fields = slice_from(*fields, equals + 1);
		size_t end = value_end(*fields);
		*value = unquoted(slice_until(*fields, end));
		*fields = slice_from(*fields, end);
		return true;
	}
	return false;
}

slice trace_value(slice fields, const char *key)
{
	slice name, value;

	while (trace_next(&fields, &name, &value))
		if (slice_same(name, slice_z(key)))
			return value;
	return (slice){0};
}

/* ---- sentences */

static bool has(slice fields, const char *key)
{
	return trace_value(fields, key).size > 0;
}

static bool is(slice fields, const char *key, const char *value)
{
	return slice_same(trace_value(fields, key), slice_z(value));
}

/* Quotes and backslashes as they were; other escapes stay, since what they stand for cannot be
   shown. */
static void add_plain(text *t, slice value)
{
	for (size_t i = 0; i < value.size; i++) {
		if (value.at[i] == '\\' && i + 1 < value.size && value.at[i + 1] != 'x')
			i++;
		text_add_char(t, value.at[i]);
	}
}

slice trace_plain(slice value, arena *a)
{
	text t = TEXT_INIT;

	add_plain(&t, value);
	slice plain = t.size ? arena_copy(a, text_slice(&t)) : S("");
	text_free(&t);
	return plain;
}

/* Nothing where the value lacks. */
static void add(text *t, const char *before, slice fields, const char *key, const char *behind)
{
	slice value = trace_value(fields, key);

	if (value.size == 0)
		return;
	text_add_z(t, before);
	add_plain(t, value);
	text_add_z(t, behind);
}

static void say_accepted(text *t, slice f)
{
	text_add_z(t, "Taken from <");
	add(t, "", f, "from", "");
	text_add_char(t, '>');
	if (is(f, "service", "cli")) {
		text_add_z(t, ", given on the command line");
		return;
	}
	if (has(f, "user") && !is(f, "user", "-"))
		add(t, ", who logged on as ", f, "user", "");
	add(t, ", by ", f, "peer", "");
	add(t, " (", f, "helo", ")");
	text_add_z(t, is(f, "tls", "yes") ? ", through TLS" : ", in the clear");
	add(t, ", ", f, "size", " octets");
}

static void say_judged(text *t, slice f)
{
	if (has(f, "spf")) {
		add(t, "SPF ", f, "spf", "");
		add(t, " for ", f, "spf_domain", "");
		add(t, ", DKIM ", f, "dkim", "");
		add(t, " by ", f, "dkim_domains", "");
		add(t, ", DMARC ", f, "dmarc", "");
		add(t, " for ", f, "author", "");
		add(t, ", ARC ", f, "arc", "");
		if (!is(f, "policy", "none"))
			add(t, "; the author's domain asks for ", f, "policy", "");
		return;
	}
	if (has(f, "milter")) {
		add(t, "The milter ", f, "milter", " said ");
		add(t, "", f, has(f, "reply") ? "reply" : "verdict", "");
		add(t, ", at ", f, "stage", "");
		return;
	}
	add(t, "The program ", f, "program", "");
	add(t, " (", f, "event", ")");
	add(t, " said ", f, "verdict", "");
	add(t, ": ", f, "said", "");
}

static void say_left(text *t, const struct trace_row *row, arena *a)
{
	const struct trace_place *p = row->place;
	char id[ID_TEXT_SIZE + 1];

	if (p->mailbox.size == 0) {
		text_add_z(t, "; no mailbox is called so any more");
		return;
	}
	text_add_z(t, "; it was removed");
	if (p->removed > 0)
		text_format(t, " at %.*s", SLICE_ARGS(date_stamp(p->removed, a)));
	if (p->until == 0) {
		text_add_z(t, " and cannot be had back any more");
		return;
	}
	id_text(row->message, id);
	text_format(t, ", `pennypost message undelete %.*s --message %s` brings it back until %.*s",
		SLICE_ARGS(p->mailbox), id, SLICE_ARGS(date_stamp(p->until, a)));
}

static void say_delivered(text *t, const struct trace_row *row, arena *a)
{
	const struct trace_place *p = row->place;
	bool left = p && !p->there;
	slice f = row->fields;

	text_add_z(t, !p     ? "It came into the mailbox "
		      : left ? "It was in the mailbox "
			     : "It is in the mailbox ");
	if (has(f, "mailbox"))
		add(t, "", f, "mailbox", "");
	else
		add(t, "of ", f, "recipient", "");
	if (has(f, "mailbox"))
		add(t, ", for ", f, "recipient", "");
	if (is(f, "catch_all", "yes"))
		text_add_z(t, ", as the catch-all of its domain");
	add(t, ", by way of ", f, "via", "");
	if (left)
		say_left(t, row, a);
}

static void say_refused(text *t, slice f)
{
	text_add_z(t, "It was refused");
	if (is(f, "verdict", "discard"))
		text_add_z(t, " by a milter that had it dropped");
	add(t, " for ", f, has(f, "recipient") ? "recipient" : "mailbox", "");
	add(t, ": ", f, "reply", "");
	add(t, ": ", f, "why", "");
	add(t, ", by way of ", f, "via", "");
}

/* " mx.example.org (192.0.2.1): 250 2.0.0 taken, through TLSv1.3 (proved by DANE)" */
static void add_attempt(text *t, slice f)
{
	add(t, " ", f, "host", "");
	add(t, " (", f, "address", ")");
	text_add_z(t, has(f, "host") ? ":" : "");
	if (!is(f, "code", "0"))
		add(t, " ", f, "code", "");
	add(t, " ", f, "enhanced", "");
	add(t, " ", f, "reply", "");
	add(t, ", through ", f, "tls", "");
	if (has(f, "tls"))
		text_add_z(t, is(f, "proved", "dane")   ? " (proved by DANE)"
			      : is(f, "proved", "name") ? " (certificate and name proved)"
							: " (whoever it is)");
	else if (is(f, "outcome", "delivered") && has(f, "host"))
		text_add_z(t, ", in the clear");
	add(t, ", trouble with TLS: ", f, "tls_trouble", "");
}

static void say_attempt(text *t, enum trace_kind k, slice f)
{
	switch (k) {
	case TRACE_SENT:
		add(t, "It was sent to ", f, "recipient", ":");
		break;
	case TRACE_FAILED:
		add(t, "It was given up for ", f, "recipient", ":");
		break;
	default:
		if (is(f, "attempt", "0")) /* its destination is left alone */
			text_add_z(t, "It waits for its first attempt");
		else
			add(t, "It waits after attempt ", f, "attempt", "");
		add(t, " for ", f, "recipient", ":");
	}
	add_attempt(t, f);
	add(t, "; tried again at ", f, "next", "");
}

static void say_reported(text *t, slice f)
{
	if (is(f, "kind", "none")) {
		add(t, "The mailbox ", f, "mailbox", " gave no answer");
		add(t, " (", f, "why", ")");
		return;
	}
	add(t, "Told ", f, "to", "");
	add(t, ": ", f, "kind", "");
	add(t, ", by the message ", f, "report", "");
}

static void say_parked(text *t, slice f)
{
	text_add_z(t, "It is parked for an operator");
	add(t, ", for ", f, "recipient", "");
	add(t, ": ", f, "why", "");
	if (has(f, "attempt")) {
		text_add_char(t, ':');
		add_attempt(t, f);
	}
}

static void say(text *t, const struct trace_row *row, arena *a)
{
	slice f = row->fields;

	switch (row->kind) {
	case TRACE_ACCEPTED:
		say_accepted(t, f);
		break;
	case TRACE_JUDGED:
		say_judged(t, f);
		break;
	case TRACE_DELIVERED:
		say_delivered(t, row, a);
		break;
	case TRACE_REFUSED:
		say_refused(t, f);
		break;
	case TRACE_QUEUED:
		add(t, "It is in the queue for ", f, "recipient", "");
		add(t, ", by way of ", f, "via", "");
		break;
	case TRACE_SENT:
	case TRACE_DEFERRED:
	case TRACE_FAILED:
		say_attempt(t, row->kind, f);
		break;
	case TRACE_REPORTED:
		say_reported(t, f);
		break;
	case TRACE_PARKED:
		say_parked(t, f);
		break;
	case TRACE_EXPANDED:
		add(t, "It went on from ", f, "recipient", " to those it leads to");
		break;
	case TRACE_REPEATED:
		text_add_z(t, "The client sent it once more, and it was recognised");
		break;
	case TRACE_READ:
		add(t, "It was fetched by ", f, "service", "");
		break;
	case TRACE_REMOVED:
		text_add_z(t, "It was removed");
		add(t, is(f, "service", "queue") ? " from the " : " by ", f, "service", "");
		add(t, " by ", f, "who", "");
		add(t, ", for ", f, "recipient", "");
		break;
	default:
		text_add(t, f);
	}
}

slice trace_sentence(const struct trace_row *row, arena *a)
{
	text t = TEXT_INIT;

	say(&t, row, a);
	slice sentence = t.size ? arena_copy(a, text_slice(&t)) : S("");
	text_free(&t);
	return sentence;
}

/* ---- verdicts */

slice trace_whom(const struct trace_row *row)
{
	slice recipient = trace_value(row->fields, "recipient");

	return recipient.size ? recipient : trace_value(row->fields, "mailbox");
}

bool trace_is_verdict(enum trace_kind k)
{
	static const bool rows[TRACE_KINDS] = {[TRACE_DELIVERED] = true,
		[TRACE_REFUSED] = true,
		[TRACE_QUEUED] = true,
		[TRACE_SENT] = true,
		[TRACE_DEFERRED] = true,
		[TRACE_FAILED] = true,
		[TRACE_PARKED] = true,
		[TRACE_REMOVED] = true,
		[TRACE_EXPANDED] = true};

	return k < TRACE_KINDS && rows[k];
}
