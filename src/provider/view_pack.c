#include "provider/view_pack.h"

#include "provider/varint.h"

#define VERSION 1
#define LEAST 8 /* bytes of an entry: a byte per number */

void view_pack(const struct view_entry *entries, int n, text *to)
{
	struct view_entry last = {0};

	text_reserve(to, 16 + (size_t)n * 60);
	struct packer p = {(unsigned char *)to->at};
	varint_put(&p, VERSION);
	varint_put(&p, (uint64_t)n);
	for (int i = 0; i < n; i++) {
		const struct view_entry *e = &entries[i];

		varint_put(&p, e->uid - last.uid);
		varint_put(&p, (uint64_t)e->flags);
		varint_put(&p, e->size);
		varint_put_signed(&p, varint_difference(e->modseq, last.modseq));
		varint_put_signed(&p, varint_difference(e->message, last.message));
		varint_put_signed(&p, varint_difference(e->received, last.received));
		varint_put_signed(&p, varint_difference(e->saved, e->received / USEC_S));
		varint_put_signed(&p, e->zone);
		last = *e;
	}
	to->size = (size_t)((char *)p.at - to->at);
}

static struct unpacker open_state(slice state, uint64_t *version, uint64_t *n)
{
	struct unpacker u = {.at = (const unsigned char *)state.at,
		.end = (const unsigned char *)state.at + state.size};

	*version = varint_take(&u);
	*n = varint_take(&u);
	return u;
}

int view_packed(slice state)
{
	uint64_t version, n;
	struct unpacker u = open_state(state, &version, &n);

	if (u.broken || version != VERSION || n > (uint64_t)(u.end - u.at) / LEAST)
		return -1;
	return (int)n;
}

bool view_unpack(slice state, struct view_entry *entries, int n)
{
	uint64_t version, count;
	struct unpacker u = open_state(state, &version, &count);
	struct view_entry last = {0};

	for (int i = 0; i < n; i++) {
		struct view_entry e;

		e.uid = last.uid + (uint32_t)varint_take(&u);
		e.flags = (int64_t)varint_take(&u);
		e.size = (uint32_t)varint_take(&u);
		e.modseq = varint_sum(last.modseq, varint_take_signed(&u));
		e.message = varint_sum(last.message, varint_take_signed(&u));
		e.received = varint_sum(last.received, varint_take_signed(&u));
		e.saved = (uint32_t)varint_sum(e.received / USEC_S, varint_take_signed(&u));
		e.zone = (int16_t)varint_take_signed(&u);
		if (e.uid <= last.uid)
			u.broken = true;
		entries[i] = last = e;
	}
	return !u.broken && u.at == u.end && count == (uint64_t)n;
}
