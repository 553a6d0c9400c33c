/* See autoreply.h. The lists below are tables: what programs write in their headers is known by
   name only. */
#include "mail/autoreply.h"

#include "base/utf8.h"
#include "mail/compose.h"
#include "mail/header.h"
#include "mail/word.h"

#define REFERENCES_MOST 20 /* names of messages kept: the first and the last ones */
#define ID_MOST 250
#define SUBJECT_MOST 200

/* ---- who never reads answers */

/* Beginnings and ends of local parts; '*' stands for the rest. */
static const char *const robots[] = {"mailer-daemon", "mail-daemon", "postmaster", "listserv",
	"listserver", "majordomo", "mailman", "owner-*", "*-owner", "*-request", "*-relay",
	"*-bounce", "*-bounces", "bounce-*", "bounces-*", "bounce+*", "bounces+*", "bounce",
	"bounces", "noreply", "no-reply", "no_reply", "noreply-*", "no-reply-*", "noreply+*",
	"no-reply+*", "donotreply", "do-not-reply", "do_not_reply", "autoreply", "auto-reply",
	"autoresponder", NULL};

static bool local_like(slice local, const char *pattern)
{
	slice p = slice_z(pattern);

	if (p.at[0] == '*')
		return slice_ends_nocase(local, slice_from(p, 1));
	if (p.at[p.size - 1] == '*')
		return slice_starts_nocase(local, slice_until(p, p.size - 1));
	return slice_same_nocase(local, p);
}

static bool is_robot(slice local)
{
	for (int i = 0; robots[i]; i++)
		if (local_like(local, robots[i]))
			return true;
	return false;
}

/* ---- what must not be answered */

/* The first word of a value, without comments in front of it. */
static slice first_word(slice value)
{
	slice s = slice_trim(value);

	while (s.size && s.at[0] == '(') {
		size_t end = slice_find(s, ')');
		s = slice_trim(slice_from(s, end + 1));
	}
	for (size_t i = 0; i < s.size; i++)
		if (strchr(" \t;,(", s.at[i]))
			return slice_until(s, i);
	return s;
}

static bool has_word(slice value, const char *const *words)
{
	slice part;

	while (slice_take(&value, ',', &part))
		for (int i = 0; words[i]; i++)
			if (slice_same_nocase(first_word(part), slice_z(words[i])))
				return true;
	return false;
}

static const char *const any[] = {NULL};
static const char *const bulk[] = {"bulk", "list", "junk", "auto_reply", "auto-reply", NULL};
static const char *const suppressed[] = {"all", "oof", "autoreply", NULL};
static const char *const yes[] = {"yes", NULL};
static const char *const report[] = {
	"multipart/report", "message/delivery-status", "message/disposition-notification", NULL};

/* Auto-Submitted: no is what a person sends. */
static const struct {
	const char *name;         /* "List-*" = whatever begins so */
	const char *const *words; /* `any` = that it is there */
	const char *why;
} signs[] = {
	{"List-*", any, "list"},
	{"Mailing-List", any, "list"},
	{"X-Mailing-List", any, "list"},
	{"X-Loop", any, "loop"},
	{"Precedence", bulk, "bulk"},
	{"X-Auto-Response-Suppress", suppressed, "suppressed"},
	{"X-Autoreply", any, "automatic"},
	{"X-Autorespond", any, "automatic"},
	{"X-Autoresponse", any, "automatic"},
	{"X-Failed-Recipients", any, "report"},
	{"Content-Type", report, "report"},
	{"X-Spam-Flag", yes, "spam"},
};

static const char *sign_of(const header_field *f, slice value)
{
	if (slice_same_nocase(f->name, S("Auto-Submitted")))
		return slice_same_nocase(first_word(value), S("no")) ? NULL : "automatic";
	if (slice_same_nocase(f->name, S("Return-Path")))
		return slice_same(slice_trim(value), S("<>")) ? "null-sender" : NULL;
	for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
		if (local_like(f->name, signs[i].name) &&
			(signs[i].words == any || has_word(value, signs[i].words)))
			return signs[i].why;
	return NULL;
}

const char *autoreply_forbidden(slice header, const mail_address *sender, arena *a)
{
	header_walk w = header_walk_of(header);
	header_field f;

	if (sender->empty || sender->local.size == 0)
		return "null-sender";
	if (is_robot(sender->local))
		return "robot";
	while (header_next(&w, &f)) {
		const char *why = f.broken ? NULL : sign_of(&f, header_unfold(f.value, a));

		if (why)
			return why;
	}
	return NULL;
}

/* ---- who was written to */

static bool names_recipients(slice name)
{
	static const char *const fields[] = {
		"To", "Cc", "Bcc", "Resent-To", "Resent-Cc", "Resent-Bcc", NULL};

	for (int i = 0; fields[i]; i++)
		if (slice_same_nocase(name, slice_z(fields[i])))
			return true;
	return false;
}

void autoreply_named(slice header, int most, arena *a, slice **keys, int *n)
{
	header_walk w = header_walk_of(header);
	header_field f;

	*keys = arena_new_array(a, (size_t)most, sizeof **keys);
	*n = 0;
	while (*n < most && header_next(&w, &f)) {
		mail_list list;

		if (f.broken || !names_recipients(f.name))
			continue;
		mail_list_parse(f.value, (size_t)most, a, &list);
		for (size_t i = 0; i < list.count && *n < most; i++) {
			mail_address m;

			if (list.entry[i].kind == MAIL_LIST_ADDRESS &&
				mail_address_of(list.entry[i].local, list.entry[i].domain, a, &m) ==
					ST_OK)
				(*keys)[(*n)++] = mail_address_key(&m, a);
		}
	}
}

/* ---- the answer */

static bool is_id(slice s)
{
	if (s.size < 3 || s.size > ID_MOST || s.at[0] != '<' || s.at[s.size - 1] != '>')
		return false;
	for (size_t i = 1; i + 1 < s.size; i++)
		if (s.at[i] <= 0x20 || s.at[i] >= 0x7f || s.at[i] == '<' || s.at[i] == '>')
			return false;
	return true;
}

static slice id_of(slice header, arena *a)
{
	header_field f;

	if (!header_find(header, S("Message-ID"), &f))
		return S("");
	slice id = header_unfold(f.value, a);
	return is_id(id) ? id : S("");
}

/* Those of the message and itself (RFC 5322 3.6.4): the first one and the last ones of a long
   thread. */
static slice references_of(slice header, slice id, arena *a)
{
	slice known[REFERENCES_MOST], all = S(""), one;
	header_field f;
	text made = TEXT_INIT;
	int n = 0;

	if (header_find(header, S("References"), &f) || header_find(header, S("In-Reply-To"), &f))
		all = header_unfold(f.value, a);
	while (slice_take(&all, ' ', &one)) {
		one = slice_trim(one);
		if (!is_id(one) || slice_same(one, id))
			continue;
		if (n == REFERENCES_MOST - 1)
			memmove(&known[1], &known[2], (size_t)(--n - 1) * sizeof *known);
		known[n++] = one;
	}
	for (int i = 0; i < n; i++)
		text_format(&made, "%.*s ", SLICE_ARGS(known[i]));
	text_add(&made, id);
	slice references = arena_copy(a, text_slice(&made));
	text_free(&made);
	return references;
}

static slice subject_of(const struct autoreply *r, arena *a)
{
	header_field f;

	if (r->subject.size)
		return r->subject;
	if (!header_find(r->header, S("Subject"), &f))
		return S("Auto: your message");
	slice shown = word_decode(header_unfold(f.value, a), a);
	return arena_format(a, "Auto: %.*s", SLICE_ARGS(utf8_until(shown, SUBJECT_MOST)));
}

status autoreply_compose(const struct autoreply *r, arena *a, slice *message)
{
	const header_mailbox to = {.address = r->to};
	slice id = id_of(r->header, a);
	const compose_field fields[] = {{S("Auto-Submitted"), S("auto-replied")},
		{S("X-Auto-Response-Suppress"), S("All")}, {S("In-Reply-To"), id},
		{S("References"), id.size ? references_of(r->header, id, a) : S("")}};
	const compose c = {.from = {.address = r->from},
		.reply_to = {.address = r->reply_to},
		.to = &to,
		.to_count = 1,
		.subject = subject_of(r, a),
		.text = r->text,
		.field = fields,
		.field_count = id.size ? 4 : 2,
		.at = r->at,
		.message_id = r->message_id,
		.utf8 = !utf8_is_ascii(r->to) || !utf8_is_ascii(r->from)};

	return compose_message(&c, a, message);
}
