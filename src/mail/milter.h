/* The milter protocol, versions 2 to 6, as the mail server's side speaks it: packets written,
   answers read. Pure: bytes in, values out; who talks to whom, and for how long, is
   connector/smtp/milter.h.

       packet = length of the rest (4 octets, big end first), a letter, its data

   What a milter answers is input like any other: lengths are bounded before memory is asked for,
   and nothing of it gets into a reply or a header before it was looked at here. */
#ifndef PENNYPOST_MAIL_MILTER_H
#define PENNYPOST_MAIL_MILTER_H

#include "base/arena.h"
#include "base/status.h"
#include "base/text.h"

#define MILTER_VERSION_LEAST 2
#define MILTER_VERSION_MOST 6
#define MILTER_CHUNK ((size_t)65535)             /* of a body, in one packet */
#define MILTER_PACKET_MOST ((size_t)1024 * 1024) /* of an answer, without its length */

enum milter_command {
	MILTER_TERMS = 'O',
	MILTER_MACROS = 'D',
	MILTER_CONNECT = 'C',
	MILTER_HELO = 'H',
	MILTER_MAIL = 'M',
	MILTER_RCPT = 'R',
	MILTER_DATA = 'T', /* since version 4 */
	MILTER_FIELD = 'L',
	MILTER_HEADER_END = 'N',
	MILTER_BODY = 'B',
	MILTER_END = 'E',
	MILTER_ABORT = 'A',
	MILTER_QUIT = 'Q',
	MILTER_UNKNOWN = 'U', /* since version 3 */
};

/* ---- terms: what both sides can do */

enum milter_action {          /* what it may want done at the end */
	MILTER_MAY_ADD = 0x1, /* and insert */
	MILTER_MAY_REPLACE_BODY = 0x2,
	MILTER_MAY_ADD_RCPT = 0x4,
	MILTER_MAY_REMOVE_RCPT = 0x8,
	MILTER_MAY_CHANGE = 0x10,
	MILTER_MAY_QUARANTINE = 0x20,
	MILTER_MAY_CHANGE_SENDER = 0x40,
	MILTER_MAY_ADD_RCPT_WITH = 0x80, /* parameters */
	MILTER_MAY_NAME_MACROS = 0x100,
};
#define MILTER_ACTIONS 0x1ffu

enum milter_step { /* what it does not want to hear, or not to answer */
	MILTER_NO_CONNECT = 0x1,
	MILTER_NO_HELO = 0x2,
	MILTER_NO_MAIL = 0x4,
	MILTER_NO_RCPT = 0x8,
	MILTER_NO_BODY = 0x10,
	MILTER_NO_FIELDS = 0x20,
	MILTER_NO_HEADER_END = 0x40,
	MILTER_SILENT_FIELD = 0x80,
	MILTER_NO_UNKNOWN = 0x100,
	MILTER_NO_DATA = 0x200,
	MILTER_CAN_SKIP = 0x400,
	MILTER_REFUSED_RCPT = 0x800, /* wants to hear of those too */
	MILTER_SILENT_CONNECT = 0x1000,
	MILTER_SILENT_HELO = 0x2000,
	MILTER_SILENT_MAIL = 0x4000,
	MILTER_SILENT_RCPT = 0x8000,
	MILTER_SILENT_DATA = 0x10000,
	MILTER_SILENT_UNKNOWN = 0x20000,
	MILTER_SILENT_HEADER_END = 0x40000,
	MILTER_SILENT_BODY = 0x80000,
	MILTER_LEADING_SPACE = 0x100000, /* values begin behind the colon, blanks and all */
};
#define MILTER_STEPS 0x1fffffu

/* Where macros are told; the order is that of the protocol. */
enum milter_stage {
	MILTER_AT_CONNECT,
	MILTER_AT_HELO,
	MILTER_AT_MAIL,
	MILTER_AT_RCPT,
	MILTER_AT_DATA,
	MILTER_AT_END,
	MILTER_AT_HEADER_END,
	MILTER_STAGES
};

typedef struct milter_terms {
	unsigned version;
	uint32_t actions, steps;
	slice macros[MILTER_STAGES]; /* names with blanks between them; .at NULL: as usual */
} milter_terms;

/* All that this side can do, up to a version. */
milter_terms milter_terms_offered(unsigned version);
/* The data of the milter's answer to an offer. ST_INVALID: malformed, another version, or more than
   was offered. Slices lie in `data`. */
status milter_terms_read(slice data, const milter_terms *offered, milter_terms *out);
/* Whether such a command is to be sent, and whether an answer will come. */
bool milter_hears(const milter_terms *t, enum milter_command c);
bool milter_answers(const milter_terms *t, enum milter_command c);

/* ---- writing */

void milter_write_terms(text *to, const milter_terms *t);
/* One packet: begin, its strings and bytes, end. */
size_t milter_begin(text *to, enum milter_command c);
void milter_add_string(text *to, slice s); /* up to its first NUL, and a NUL */
void milter_add_number(text *to, uint64_t n, int octets);
void milter_end(text *to, size_t begun);
/* A packet of nothing but its letter, or with these bytes. */
void milter_write(text *to, enum milter_command c, slice bytes);
/* A field as a milter sees it: line ends are LF; `leading` keeps the blanks behind the colon. */
void milter_write_field(text *to, slice name, slice value, bool leading);

/* ---- reading */

/* The length in the first four octets of a packet, of what follows them. ST_INVALID: none, or over
   MILTER_PACKET_MOST. */
status milter_packet_size(const uint8_t head[4], size_t *size);

enum milter_word {
	MILTER_SAYS_CONTINUE,
	MILTER_SAYS_ACCEPT,
	MILTER_SAYS_REJECT,
	MILTER_SAYS_TEMPFAIL,
	MILTER_SAYS_DISCARD,
	MILTER_SAYS_SKIP,     /* of the body, the rest */
	MILTER_SAYS_REPLY,    /* .text */
	MILTER_SAYS_CLOSE,    /* the conversation */
	MILTER_SAYS_PROGRESS, /* it is still at work */
	MILTER_SAYS_TERMS,    /* .value: for milter_terms_read */
	/* What it wants done, before the word that ends its answer: */
	MILTER_WANTS_FIELD,     /* .name, .value at the end */
	MILTER_WANTS_INSERTED,  /* .name, .value before field .index; from 1, 0 = 1 */
	MILTER_WANTS_CHANGED,   /* the .index-th field .name; empty .value: removed */
	MILTER_WANTS_BODY,      /* .value: a piece of the new one */
	MILTER_WANTS_RCPT,      /* .name, an address; .value its parameters */
	MILTER_WANTS_NO_RCPT,   /* .name */
	MILTER_WANTS_SENDER,    /* .name; .value its parameters */
	MILTER_WANTS_QUARANTINE /* .value: why */
};
const char *milter_word_name(enum milter_word w); /* "continue", ..: for logs */

typedef struct milter_answer {
	enum milter_word word;
	slice name, value;
	uint32_t index;
	const char *text; /* a whole SMTP reply, its lines apart by CRLF; printable */
} milter_answer;

#define MILTER_REPLY_LINES_MOST 32

/* Reads the answer to `asked`. ST_INVALID: malformed, or nothing that may be said to that under
   these terms. Slices lie in the packet, the reply in `a`. */
status milter_answer_read(slice packet, enum milter_command asked, const milter_terms *t, arena *a,
	milter_answer *out);
/* Whether the word ends the answer to what was asked. */
static inline bool milter_word_ends(enum milter_word w)
{
	return w < MILTER_SAYS_PROGRESS;
}

#endif
