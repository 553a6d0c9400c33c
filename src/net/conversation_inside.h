/* A conversation's beginning and end, for the files of this room that make them. */
#ifndef PENNYPOST_NET_CONVERSATION_INSIDE_H
#define PENNYPOST_NET_CONVERSATION_INSIDE_H

#include "net/conversation.h"

/* Takes the stream over. Open from here on: conversation_count. */
void conversation_begin(conversation *c, enum service service, stream *s, const tls_server *tls);
/* Closes one that nobody will talk in: begun, but never entered. */
void conversation_drop(conversation *c);
/* On the task that will talk: metrics count it from here on, and listener_stop finds it. */
void conversation_enter(conversation *c);
/* The handshake of a port that speaks TLS from the first byte. */
status conversation_tls(conversation *c, usec patience);
/* Sends what is still to be sent, closes and frees all but the struct; `how` is for the log. */
void conversation_end(conversation *c, status how);
/* Wakes every idle conversation of this loop. */
void conversation_stop_idle(void);

#endif
