/* The framing of message text on SMTP and POP3 lines: lines end with CRLF, the text ends with
   CRLF "." CRLF, a dot at the start of a line is doubled (RFC 5321 4.5.2, RFC 1939 3). This room
   holds the one serialiser for everything that goes out and the one scanner for everything that
   comes in, so that the two ends of the house can never differ about where a message stops. */
#ifndef PENNYPOST_MAIL_DOT_H
#define PENNYPOST_MAIL_DOT_H

#include "base/slice.h"
#include "base/text.h"

/* --- Out ------------------------------------------------------------------------------------- */

/* A zeroed dot_writer is ready to start. */
typedef struct dot_writer {
	uint8_t state;
	bool as_is;   /* bare CR and bare LF go out as they are, for readers who were told the size
			 (POP3) */
	bool bare_cr; /* the text held a CR without LF; it went out as CRLF, unless as_is */
	bool bare_lf; /* the text held an LF without CR; likewise */
} dot_writer;

/* Appends the piece to `out`: every line end becomes CRLF, a dot at the start of a line is doubled;
   with as_is also behind a bare CR or LF, so that no reader takes it for the end, however he reads
   lines. The pieces may be cut anywhere; a CR at the end of one is kept back until the next. */
void dot_write(dot_writer *w, slice piece, text *out);

/* The text is complete: adds the last CRLF if it is missing, then ".\r\n". The writer may start
   anew; its findings stay. */
void dot_write_end(dot_writer *w, text *out);

/* Takes the header, the empty line and the first `lines` lines of the body of a message that comes
   in pieces (POP3 TOP). Start with (dot_top){.lines = n}. */
typedef struct dot_top {
	uint64_t lines; /* body lines still to take */
	bool in_body;
	bool line_begun; /* the current line has bytes besides its end */
	bool full;       /* nothing more will be taken: the caller may stop reading */
} dot_top;

/* How many bytes at the start of the piece belong to it; lines end with LF, with or without CR. */
size_t dot_top_take(dot_top *t, slice piece);

/* --- In -------------------------------------------------------------------------------------- */

/* What has been read of a message. A zeroed dot_scan is ready to start; `repair` may be set before
   the first piece and makes bare CR and bare LF into CRLF (for trusted networks only). Whether bare
   ones, NUL or 8-bit are refused is the connector's decision, after the end was found. */
typedef struct dot_scan {
	bool repair;
	bool done; /* the end was seen */
	bool bare_cr;
	bool bare_lf;
	bool nul;
	bool eight_bit;
	uint8_t state;
	uint64_t size;         /* bytes of the message so far, as handed out */
	uint64_t header_size;  /* where the body starts, empty line included; 0 while not seen */
	uint64_t lines;        /* complete lines */
	uint64_t line_size;    /* bytes of the current line, without its end */
	uint64_t line_longest; /* of the complete lines, without their ends */
} dot_scan;

/* Reads the lines after DATA: only CRLF "." CRLF ends the text (or "." CRLF at its very start), no
   other mix of CR, LF, NUL and dots does. Appends the text without the doubled dots and without the
   end mark to `out`; with NULL the text is only measured. Returns how many bytes of the piece were
   used: all, unless s->done, when the rest belongs to the next command. Bytes in doubt (a CR, a dot
   at the start of a line) are kept back until the next piece. Pieces may be cut anywhere. */
size_t dot_scan_data(dot_scan *s, slice piece, text *out);

/* The same findings for text that is framed by a count and has no dots to remove (BDAT, APPEND).
   All of the piece is used. */
void dot_scan_chunk(dot_scan *s, slice piece, text *out);
/* Ends counted text: a CR kept back is handed out, and a last line without end is counted. */
void dot_scan_chunk_end(dot_scan *s, text *out);

#endif
