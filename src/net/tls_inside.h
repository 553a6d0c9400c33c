/* What the files of this room share about OpenSSL's contexts and sessions. */
#ifndef PENNYPOST_NET_TLS_INSIDE_H
#define PENNYPOST_NET_TLS_INSIDE_H

#include "net/tls.h"

#include <openssl/evp.h>
#include <openssl/ssl.h>

/* For a new session; the certificate is chosen by the client's SNI during its handshake. */
SSL_CTX *tls_server_context(const tls_server *s);
SSL_CTX *tls_client_context(const tls_client *c, enum tls_verify v);
/* The most telling entry of OpenSSL's error queue, which is empty afterwards. Static storage. */
const char *tls_reason(void);
/* Session tickets: OpenSSL's callback on the keys of the node (tls_ticket.c). */
int tls_ticket_key(SSL *s, unsigned char name[16], unsigned char *iv, EVP_CIPHER_CTX *cipher,
	EVP_MAC_CTX *mac, int making);

/* ---- sessions that clients keep for next time (tls_resume.c) */
typedef struct tls_sessions tls_sessions;
tls_sessions *tls_sessions_open(void);
void tls_sessions_close(tls_sessions **k);
/* New sessions of this context go to `k`; NULL: nowhere any more. */
void tls_sessions_of(SSL_CTX *c, tls_sessions *k);
tls_sessions *tls_client_sessions(const tls_client *c);
/* Before the handshake: offers what is kept under the key, and keeps what comes of it there. */
void tls_sessions_offer(tls_sessions *k, SSL *s, slice key);

#endif
