/* Redirections and answers as they may be set; see the header. */
#include "provider/redirection_check.h"

#include "base/text.h"
#include "base/utf8.h"
#include "mail/address.h"
#include "provider/address_map.h"
#include "provider/mailbox.h"
#include "provider/setting.h"

#define SUBJECT_MOST 200
#define TEXT_MOST (64 * 1024)

static bool known(const redirection *r, slice address)
{
	for (int i = 0; i < r->n; i++)
		if (slice_same_nocase(r->targets[i], address))
			return true;
	return false;
}

status redirection_check(int64_t postoffice, int64_t mailbox, const slice *written, int n, arena *a,
	redirection *out, slice *why)
{
	int most = (int)setting_number(S_redirection_targets_most,
		&(struct setting_at){.postoffice = postoffice, .mailbox = mailbox});

	out->targets = arena_new_array(a, (size_t)n + 1, sizeof *out->targets);
	out->n = 0;
	if (n < 1) {
		*why = S("a redirection has one address at least");
		return ST_INVALID;
	}
	for (int i = 0; i < n; i++) {
		mail_address m;

		if (mail_address_parse(written[i], a, &m) != ST_OK || m.literal) {
			*why = arena_format(a, "%.*s is no address", SLICE_ARGS(written[i]));
			return ST_INVALID;
		}
		status kind = address_owned(postoffice, mailbox, m.local, m.domain);
		if (kind == ST_OK) {
			*why = arena_format(a, "%.*s is an address of the mailbox itself",
				SLICE_ARGS(written[i]));
			return ST_INVALID;
		}
		if (kind != ST_DENIED)
			return kind;
		if (!known(out, mail_address_text(&m, a)))
			out->targets[out->n++] = mail_address_text(&m, a);
	}
	if (out->n > most) {
		*why = arena_format(a, "there are %d addresses; redirection_targets_most allows %d",
			out->n, most);
		return ST_LIMITED;
	}
	return ST_OK;
}

slice redirection_list(const redirection *r, arena *a)
{
	text t = TEXT_INIT;

	for (int i = 0; i < r->n; i++)
		text_format(&t, "%s%.*s", i ? ", " : "", SLICE_ARGS(r->targets[i]));
	slice list = arena_copy(a, text_slice(&t));
	text_free(&t);
	return list;
}

static bool is_line(slice s, size_t most)
{
	if (s.size > most || !utf8_valid(s))
		return false;
	for (size_t i = 0; i < s.size; i++)
		if ((uint8_t)s.at[i] < 0x20 || s.at[i] == 0x7f)
			return false;
	return true;
}

status answer_check(
	int64_t postoffice, int64_t mailbox, const answer *w, arena *a, answer *out, slice *why)
{
	struct mailbox *m;
	mail_address reply;

	TRY(mailbox_by_id(postoffice, mailbox, a, &m));
	if (slice_same_nocase(m->name, S("postmaster"))) {
		*why = S("the postmaster does not answer by himself");
		return ST_DENIED;
	}
	*out = *w;
	if (w->text.size == 0)
		*why = S("an answer has a text");
	else if (w->text.size > TEXT_MOST || !utf8_valid(w->text) ||
		 slice_find(w->text, 0) < w->text.size)
		*why = S("the text is UTF-8 of 64 KB at most");
	else if (!is_line(w->subject, SUBJECT_MOST))
		*why = S("the subject is one line of UTF-8, 200 octets at most");
	else if (w->reply_to.size && mail_address_parse(w->reply_to, a, &reply) != ST_OK)
		*why = S("the address for replies is none");
	else if (w->ends <= w->starts)
		*why = S("the end lies before the start");
	else
		*why = S("");
	if (w->reply_to.size && why->size == 0)
		out->reply_to = mail_address_text(&reply, a);
	return why->size ? ST_INVALID : ST_OK;
}
