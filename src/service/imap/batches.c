/* UIDBATCHES (RFC 10022): UIDs that part the selected folder into batches of so many messages, the
   newest first. All batches together are all UIDs there are: the first begins with the highest,
   each ends with its oldest message, the last with 1. */
#include "service/imap/selected.h"

#define SIZE_LEAST 500
#define BATCHES_MOST 10000

struct batches {
	uint32_t size, first, last; /* first 0: all */
};

static status arg_batches(args *p, struct batches *b)
{
	TRY(arg_space(p));
	TRY(arg_nz_number(p, &b->size));
	if (arg_take(p, ' ')) {
		TRY(arg_nz_number(p, &b->first));
		TRY(arg_expect(p, ':'));
		TRY(arg_nz_number(p, &b->last));
	}
	return arg_end(p);
}

static status batches_say(conversation *c, const struct batches *b)
{
	const view *v = imap_of(c)->selected->view;
	int64_t all = ((int64_t)v->n + b->size - 1) / b->size;
	int64_t last = b->first && b->last < all ? b->last : all;
	text list = TEXT_INIT;

	for (int64_t k = b->first ? b->first : 1; k <= last; k++) {
		int64_t newest = v->n - (k - 1) * b->size; /* message numbers */
		uint32_t high = k == 1 ? v->uids[v->n - 1] : v->uids[newest] - 1;
		uint32_t low = k == all ? 1 : v->uids[newest - b->size];

		text_format(&list, "%s%u:%u", list.size ? "," : " ", high, low);
	}
	status s = stream_format(c->stream, "* UIDBATCHES (TAG \"%.*s\")%s\r\n",
		SLICE_ARGS(imap_of(c)->tag), list.size ? list.at : "");
	text_free(&list);
	return s;
}

static status imap_uidbatches(conversation *c, args *p)
{
	struct batches b = {0};

	TRY(arg_batches(p, &b));
	if (b.last < b.first)
		return imap_bad(c, "[CLIENTBUG] Batches are counted from the newest on");
	if (b.size < SIZE_LEAST)
		return imap_no(c, "[TOOFEW] A batch has %d messages at least", SIZE_LEAST);
	if (b.first && b.last - b.first >= BATCHES_MOST)
		return imap_no(c, "[TOOMANY] That is more than %d batches", BATCHES_MOST);
	TRY(batches_say(c, &b));
	return imap_ok(c, "That is all");
}

const struct imap_row imap_batch_rows[] = {
	{"UIDBATCHES", imap_uidbatches, AT_SELECTED, 0,
		"UIDBATCHES messages [first:last]: UIDs of batches of so many messages"},
	{0},
};
