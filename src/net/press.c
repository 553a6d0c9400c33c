/* DEFLATE by zlib. The peer's unpacker finds no end of a stream when we give our packer back: after
   a full flush the next packer begins at a whole octet and refers to nothing before. Our unpacker goes
   whenever the peer stopped between two blocks at a whole octet, as those do that flush what they
   say; what the peer may refer to stays, which is what it said last. */
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
	bool unpacks;      /* the unpacker is there; else what it would have in its window: */
	Bytef *window;
	uInt window_size;
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
	if (p->unpacks)
		inflateEnd(&p->unpack);
	memory_free(p->window);
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

static void packer_rest(press *p)
{
	if (!p->packs || p->dirty)
		return;
	deflateEnd(&p->pack);
	p->packs = false;
}

/* ---- unpacking */

#define UNUSED_BITS 63
#define LAST_BLOCK 64
#define BETWEEN_BLOCKS 128 /* of data_type, as inflate() leaves it */

static bool is_between_blocks(const press *p)
{
	return (p->unpack.data_type & (BETWEEN_BLOCKS | LAST_BLOCK | UNUSED_BITS)) ==
	       BETWEEN_BLOCKS;
}

static void unpacker_rest(press *p)
{
	if (!p->unpacks || !is_between_blocks(p))
		return;
	if (inflateGetDictionary(&p->unpack, NULL, &p->window_size) != Z_OK)
		return;
	p->window = memory_new_array(p->window_size + 1, 1);
	inflateGetDictionary(&p->unpack, p->window, &p->window_size);
	inflateEnd(&p->unpack);
	p->unpacks = false;
}

static void unpacker_begin(press *p)
{
	if (p->unpacks)
		return;
	inflateInit2(&p->unpack, -PEER_BITS);
	if (p->window_size > 0)
		inflateSetDictionary(&p->unpack, p->window, p->window_size);
	memory_free(p->window);
	p->window = NULL;
	p->window_size = 0;
	p->unpacks = true;
}

void press_rest(press *p)
{
	packer_rest(p);
	unpacker_rest(p);
}

enum turn press_unpack(press *p, slice *from, char *to, size_t room, size_t *got)
{
	size_t n = from->size < ONE_CALL ? from->size : ONE_CALL;

	/* An unpacker that is asked without need forgets that it stands between two blocks. */
	if (n == 0 && (!p->unpacks || is_between_blocks(p))) {
		*got = 0;
		return TURN_WAIT_READ;
	}
	unpacker_begin(p);
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
