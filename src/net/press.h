/* Packing and unpacking what goes through a stream by DEFLATE (RFC 1951), for stream.c. Memory
   follows the work at hand: the packer has a small window and is given back whenever nothing is to
   be sent, and so is the unpacker, but for what the peer said last, of which it may speak again: 32 KB
   at most. */
#ifndef PENNYPOST_NET_PRESS_H
#define PENNYPOST_NET_PRESS_H

#include "net/wire.h"

typedef struct press press;

press *press_open(void);
void press_close(press **p); /* NULL is nothing */

/* Packs from the front of *from, which becomes what is left, and gives the octets made. `through`:
   the peer shall be able to read all of it; call again as long as the room, at least 16 octets, was
   filled. */
size_t press_pack(press *p, slice *from, bool through, char *to, size_t room);
/* Nothing goes on for a while: gives back memory. What was packed and did not go through yet, or what
   the peer broke off within an octet, keeps its own. */
void press_rest(press *p);

/* Unpacks from the front of *from. TURN_DONE: *got octets were made; TURN_WAIT_READ: more must come
   first; TURN_END: the peer has ended it; TURN_BROKEN: it is no DEFLATE. */
enum turn press_unpack(press *p, slice *from, char *to, size_t room, size_t *got);

#endif
