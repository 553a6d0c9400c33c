/* The contract stands in certificate.h. The files are needed for the moment of loading only. */
#include "certificate.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void must(int holds)
{
	if (!holds) {
		fprintf(stderr, "dialog: cannot make a certificate\n");
		exit(99);
	}
}

static X509 *sign(EVP_PKEY *key)
{
	X509 *x = X509_new();
	X509_EXTENSION *name =
		X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:localhost");

	must(x && name);
	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -86400);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8,
		(const unsigned char *)"localhost", -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	X509_set_pubkey(x, key);
	must(X509_add_ext(x, name, -1));
	must(X509_sign(x, key, EVP_sha256()) > 0);
	X509_EXTENSION_free(name);
	return x;
}

static void write_pair(const char *certificate, const char *key_file)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	must(key != NULL);
	X509 *x = sign(key);

	FILE *f = fopen(certificate, "w");
	must(f && PEM_write_X509(f, x));
	fclose(f);
	f = fopen(key_file, "w");
	must(f && PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL));
	fclose(f);
	X509_free(x);
	EVP_PKEY_free(key);
}

void certificate_make(const tls_server **server, tls_client **client)
{
	static tls_server *kept; /* for the process's life */
	char folder[] = "/tmp/pennypost-dialog-XXXXXX";
	char certificate[sizeof folder + 20], key[sizeof folder + 20];

	must(mkdtemp(folder) != NULL);
	snprintf(certificate, sizeof certificate, "%s/default.crt", folder);
	snprintf(key, sizeof key, "%s/default.key", folder);
	write_pair(certificate, key);
	must(tls_server_open(folder, &kept) == ST_OK);
	must(tls_client_open(certificate, client) == ST_OK);
	unlink(certificate);
	unlink(key);
	rmdir(folder);
	*server = kept;
}
