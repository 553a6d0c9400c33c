#include "provider/view_pack.h"

#define VERSION 1
#define LEAST 8 /* bytes of an entry: a byte per number */

struct packer {
	unsigned char *at;
};

static void put(struct packer *p, uint64_t v)
{
	while (v > 0x7f) {
		*p->at++ = (unsigned char)(v | 0x80);
		v >>= 7;
	}
	*p->at++ = (unsigned char)v;
}

/* Small numbers of either sign become small ones without. */
static void put_signed(struct packer *p, int64_t v)
{
	put(p, (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0));
}

struct unpacker {
	const unsigned char *at, *end;
	bool broken;
};

static uint64_t take(struct unpacker *u)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64 && u->at < u->end; shift += 7) {
		unsigned char byte = *u->at++;

		v |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return v;
	}
	u->broken = true;
	return 0;
}

static int64_t take_signed(struct unpacker *u)
{
	uint64_t v = take(u);

	return (int64_t)(v >> 1 ^ (0 - (v & 1)));
}

static int64_t difference(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a - (uint64_t)b);
}

static int64_t sum(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a + (uint64_t)b);
}

void view_pack(const struct view_entry *entries, int n, text *to)
{
	struct view_entry last = {0};

	text_reserve(to, 16 + (size_t)n * 60);
	struct packer p = {(unsigned char *)to->at};
	put(&p, VERSION);
	put(&p, (uint64_t)n);
	for (int i = 0; i < n; i++) {
		const struct view_entry *e = &entries[i];

		put(&p, e->uid - last.uid);
		put(&p, (uint64_t)e->flags);
		put(&p, e->size);
		put_signed(&p, difference(e->modseq, last.modseq));
		put_signed(&p, difference(e->message, last.message));
		put_signed(&p, difference(e->received, last.received));
		put_signed(&p, difference(e->saved, e->received / USEC_S));
		put_signed(&p, e->zone);
		last = *e;
	}
	to->size = (size_t)((char *)p.at - to->at);
}

static struct unpacker open_state(slice state, uint64_t *version, uint64_t *n)
{
	struct unpacker u = {.at = (const unsigned char *)state.at,
		.end = (const unsigned char *)state.at + state.size};

	*version = take(&u);
	*n = take(&u);
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

		e.uid = last.uid + (uint32_t)take(&u);
		e.flags = (int64_t)take(&u);
		e.size = (uint32_t)take(&u);
		e.modseq = sum(last.modseq, take_signed(&u));
		e.message = sum(last.message, take_signed(&u));
		e.received = sum(last.received, take_signed(&u));
		e.saved = (uint32_t)sum(e.received / USEC_S, take_signed(&u));
		e.zone = (int16_t)take_signed(&u);
		if (e.uid <= last.uid)
			u.broken = true;
		entries[i] = last = e;
	}
	return !u.broken && u.at == u.end && count == (uint64_t)n;
}
