/* DEFLATE by zlib. The peer's unpacker finds no end of a stream when we give our packer back: after
   a full flush the next packer begins at a whole octet and refers to nothing before. */
#include "net/press.h"

#include "base/memory.h"

#include <zlib.h>

#define LEVEL 1        /* half the time of the usual 6, most of the gain */
#define WINDOW_BITS 12 /* of the packer: 16 KB of memory */
#define MEMORY_LEVEL 5 /* 16 KB more */
#define PEER_BITS 15   /* the peer may use what the format has */
#define ONE_CALL ((size_t)1 << 30)

struct press {
	z_stream pack, unpack;
	bool packs, dirty; /* the packer is there; holds what did not go through */
};

static voidpf take(voidpf none, uInt n, uInt size)
{
	(void)none;
	return memory_new_array(n, size);
}

static void give(voidpf none, voidpf at)
{
	(void)none;
	memory_free(at);
}

press *press_open(void)
{
	press *p = memory_new(sizeof *p);

	p->pack.zalloc = p->unpack.zalloc = take;
	p->pack.zfree = p->unpack.zfree = give;
	inflateInit2(&p->unpack, -PEER_BITS);
	return p;
}

void press_close(press **closing)
{
	press *p = *closing;

	if (!p)
		return;
	*closing = NULL;
	if (p->packs)
		deflateEnd(&p->pack);
	inflateEnd(&p->unpack);
	memory_free(p);
}

/* ---- packing */

size_t press_pack(press *p, slice *from, bool through, char *to, size_t room)
{
	size_t n = from->size < ONE_CALL ? from->size : ONE_CALL;

	if (!p->packs)
		deflateInit2(&p->pack, LEVEL, Z_DEFLATED, -WINDOW_BITS, MEMORY_LEVEL,
			Z_DEFAULT_STRATEGY);
	p->packs = true;
	p->pack.next_in = (Bytef *)(uintptr_t)from->at;
	p->pack.avail_in = (uInt)n;
	p->pack.next_out = (Bytef *)to;
	p->pack.avail_out = (uInt)room;
	(void)deflate(&p->pack, through && n == from->size ? Z_FULL_FLUSH : Z_NO_FLUSH);
	*from = slice_from(*from, n - p->pack.avail_in);
	p->dirty = !through || from->size > 0 || p->pack.avail_out == 0;
	return room - p->pack.avail_out;
}

void press_rest(press *p)
{
	if (!p->packs || p->dirty)
		return;
	deflateEnd(&p->pack);
	p->packs = false;
}

/* ---- unpacking */

enum turn press_unpack(press *p, slice *from, char *to, size_t room, size_t *got)
{
	size_t n = from->size < ONE_CALL ? from->size : ONE_CALL;

	p->unpack.next_in = (Bytef *)(uintptr_t)from->at;
	p->unpack.avail_in = (uInt)n;
	p->unpack.next_out = (Bytef *)to;
	p->unpack.avail_out = (uInt)(room < ONE_CALL ? room : ONE_CALL);
	uInt most = p->unpack.avail_out;
	int done = inflate(&p->unpack, Z_SYNC_FLUSH);

	*from = slice_from(*from, n - p->unpack.avail_in);
	*got = most - p->unpack.avail_out;
	if (*got > 0)
		return TURN_DONE;
	if (done == Z_STREAM_END)
		return TURN_END;
	return done == Z_OK || done == Z_BUF_ERROR ? TURN_WAIT_READ : TURN_BROKEN;
}
