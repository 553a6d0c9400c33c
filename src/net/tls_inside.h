/* What the files of this room share about OpenSSL's contexts. */
#ifndef PENNYPOST_NET_TLS_INSIDE_H
#define PENNYPOST_NET_TLS_INSIDE_H

#include "net/tls.h"

#include <openssl/evp.h>
#include <openssl/ssl.h>

/* For a new session; the certificate is chosen by the client's SNI during its handshake. */
SSL_CTX *tls_server_context(const tls_server *s);
SSL_CTX *tls_client_context(const tls_client *c);
/* The most telling entry of OpenSSL's error queue, which is empty afterwards. Static storage. */
const char *tls_reason(void);
/* Session tickets: OpenSSL's callback on the keys of the node (tls_ticket.c). */
int tls_ticket_key(SSL *s, unsigned char name[16], unsigned char *iv, EVP_CIPHER_CTX *cipher,
	EVP_MAC_CTX *mac, int making);

#endif
