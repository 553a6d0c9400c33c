/* A small protocol for tests: HELLO, PASS, WORK (after HELLO), MORE (asks for a second line), NOOP,
   OFF (switched off), FAIL, IDLE (until there is input), END. */
#ifndef PENNYPOST_UNIT_NET_TALK_H
#define PENNYPOST_UNIT_NET_TALK_H

#include "net/conversation.h"

enum { IN_START = 1, IN_TALK = 2 };

extern unsigned talk_state;    /* of the one conversation, or of all */
extern unsigned talk_bad_most; /* 100 */
extern usec talk_patience;     /* 10 s */
extern status talk_row_gives;  /* what FAIL returns */
extern const struct dialogue talk_dialogue;

#endif
