/* A conversation: one client's talk with one service. Holds what every line protocol needs: the
   stream, peer and service, TLS, an arena for the present command and one for the whole talk, a
   public number for logs, and the words the house uses to count it. Protocol state lives in the
   service's own struct, reached by `state`. */
#ifndef PENNYPOST_NET_CONVERSATION_H
#define PENNYPOST_NET_CONVERSATION_H

#include "base/arena.h"
#include "base/metric.h"
#include "net/peer.h"
#include "net/stream.h"
#include "net/transcript.h"
#include "task/task.h"

typedef struct conversation {
	stream *stream;
	enum service service;
	int64_t id;    /* id_new(); its text names the conversation in logs */
	char name[14]; /* id as text */
	net_address peer, local;
	const tls_server *tls; /* to offer STARTTLS with; NULL: none */
	bool implicit_tls;     /* the port speaks TLS from the first byte */
	bool trusted;          /* --stdio: no socket peer */
	arena command;         /* of the present command; cleared by command_loop */
	arena talk;            /* of the whole conversation */
	unsigned bad_commands; /* refused so far */
	uint64_t commands;
	usec started;     /* monotonic */
	bool closing;     /* the loop ends after the present command */
	bool dismissed;   /* by conversation_dismiss: the goodbye (dialogue.stopping) tells so */
	void *state;      /* the service's own */
	transcript *rows; /* for the log files; NULL: nobody records */

	/* For this room alone. */
	task *task;              /* NULL on a plain thread */
	link_t among;            /* of the conversations of this loop */
	bool idle;               /* see conversation_idle */
	bool told;               /* that the worker stops */
	usec free_until;         /* COMMAND_FREE rows have used up the time until then */
	struct peer_stay tenant; /* see conversation_belongs */
} conversation;

/* Conversations of the service that are open in this process. From any thread. */
unsigned conversation_count(enum service s);

/* Between two commands, or in one that only waits for news (IDLE): listener_stop wakes an idle
   conversation, so that its waits give ST_CANCELLED, and leaves a busy one to finish its command.
   command_loop does this by itself around reading a command. */
void conversation_idle(conversation *c, bool idle);
/* Somebody wants this conversation to end: an idle one does as if the worker stopped, a busy one
   after its command. On the loop's thread; never waits. */
void conversation_dismiss(void *conversation);

/* Who logged on is of that post office, which may have `most` conversations of the service on this
   node (0 = any number). ST_LIMITED: this would be one too many, and is told in log and figures. It
   counts until the conversation ends or is said to be another's; 0: nobody's. */
status conversation_belongs(conversation *c, int64_t postoffice, unsigned most);

/* Formats, adds CRLF. Never echoes client bytes below 0x20 or above 0x7e: "%s" arguments that come
   from clients go through conversation_safe. */
status conversation_say(conversation *c, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Sends what has been said. It has five seconds for that, even when the time of its request is over
   or the worker stops: for the last words of a conversation. ST_CLOSED, ST_TIMED_OUT. */
status conversation_last_words(conversation *c);
/* A challenge of SASL behind `lead` ("334", "+") and the client's answer to it, both base64 on the
   wire (RFC 4422): the answer lives in the command arena, and the stream forgets it. ST_ABSENT when
   the client gives up with "*", ST_INVALID, ST_TOO_BIG (12,288 octets: RFC 4954 4), or the stream's
   trouble. */
status conversation_challenge(conversation *c, const char *lead, slice challenge, slice *answer);
/* A printable, shortened (64) copy of client bytes, in the command arena. */
const char *conversation_safe(conversation *c, slice bytes);

/* ---- command rows: one holds all that is known about a command; capability lists, help, checks,
   per-command switch-off and counters derive from it. */
struct command {
	const char *name;                           /* upper case */
	status (*run)(conversation *c, slice rest); /* rest: after the name and one space, without
						       white space at its end (COMMAND_SECRET:
						       untouched); empty when absent; in the command
						       arena. Answers by itself */
	unsigned states;                            /* bits of the service's states it may run in */
	unsigned flags;                             /* COMMAND_* */
	const char *help;                           /* one line: syntax and meaning */
};
#define COMMAND_NO_ARGUMENT 1u /* an argument is a syntax error */
#define COMMAND_ARGUMENT 2u    /* its absence is a syntax error */
#define COMMAND_SWITCHABLE 4u  /* may be switched off by the service's setting */
#define COMMAND_SECRET 8u      /* its argument never reaches a log, and is wiped with the command */
#define COMMAND_FREE 16u       /* does no work (NOOP): more than 50 and one a second count as bad */

/* What a service says around its rows; each answers by itself. */
struct dialogue {
	const struct command *rows;
	int count;
	size_t (*line_most)(const conversation *c); /* longest command line now */
	unsigned (*state)(const conversation *c);   /* present state, one bit */
	bool (*switched_off)(const conversation *c, const struct command *row);
	status (*unknown)(conversation *c, slice name);
	status (*off)(conversation *c, const struct command *row);
	status (*out_of_order)(conversation *c, const struct command *row);
	status (*syntax)(
		conversation *c, const struct command *row); /* argument missing or too much */
	status (*malformed)(conversation *c,
		enum status why);             /* ST_TOO_BIG line, ST_INVALID bytes or bare LF */
	status (*too_many)(conversation *c);  /* bad commands over the limit: say goodbye */
	status (*timed_out)(conversation *c); /* idle too long: say goodbye */
	status (*stopping)(
		conversation *c); /* the worker stops, or c->dismissed: say goodbye (421) */
	unsigned (*bad_most)(const conversation *c);
	usec (*patience)(const conversation *c); /* for the next command line */
	void (*heard)(conversation *c);          /* a whole line came; NULL: nobody asks */
};
/* Reads lines and runs rows until c->closing, an error of the stream, or the cap of bad commands.
   Checks before running: NUL, bare CR, bare LF, control bytes but HTAB (T10), HTTP requests and TLS
   handshakes (T7: too_many and the end), switch-off, state, arguments; each refusal counts as bad.
   Raises metrics. A row returning anything but ST_OK ends the loop with that kind; protocol errors
   are answered by the row and are ST_OK. Otherwise: ST_OK after c->closing, ST_LIMITED after
   too_many, ST_TIMED_OUT after timed_out, ST_CANCELLED after stopping, or what the stream said;
   goodbyes have been flushed. `switched_off` and `off` may be NULL when no row is
   COMMAND_SWITCHABLE. */
status command_loop(conversation *c, const struct dialogue *d);
const struct command *command_find(const struct dialogue *d, slice name); /* any case; NULL */
/* Counts the present command as bad (rows call it when they refuse as malformed or out of
   order). */
void conversation_bad(conversation *c);
/* Counts it as one that does no work, as COMMAND_FREE does for all of its row. */
void conversation_workless(conversation *c);
/* Where nothing may come behind the present command in its packet, such as before a handshake (T4):
   true when something did. It is thrown away unread, and c->closing is set. */
bool conversation_ran_ahead(conversation *c);

/* ---- who came to the wrong port (T7). command_loop looks for them by itself. */
/* Waits for the next command: ST_FOREIGN when a TLS handshake begins in its place, else what
   stream_peek says. */
status conversation_await(conversation *c);
/* Whether a line that is no command is a request of HTTP: it begins with one of its verbs, or names
   its version. */
bool conversation_is_http(slice line);
/* Notes that such a one is sent away; what he `speaks`: "http", "tls". */
void conversation_foreign(conversation *c, const char *speaks);

#endif
