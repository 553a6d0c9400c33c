/* What the tests of this room share; see help.h. */
#include "help.h"

#include <arpa/inet.h>
#include <ftw.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static status run_body(void *body)
{
	void (*run)(void);

	memcpy(&run, body, sizeof run);
	run();
	return ST_OK;
}

void on_fibers(void (*first)(void), void (*second)(void))
{
	struct task_limits limits = TASK_LIMITS_INIT;

	cr_assert_ok(task_loop_open(&limits));
	cr_assert(task_start("first", run_body, &first));
	if (second)
		cr_assert(task_start("second", run_body, &second));
	task_loop_run();
	task_loop_close();
}

static pthread_t helper;

void help_thread(void *(*body)(void *), void *arg)
{
	cr_assert_eq(pthread_create(&helper, NULL, body, arg), 0);
}

void help_join(void)
{
	pthread_join(helper, NULL);
}

static void open_pair(int kind, stream **s, int *other)
{
	int fd[2];

	cr_assert_eq(socketpair(AF_UNIX, kind | SOCK_CLOEXEC, 0, fd), 0);
	cr_assert_ok(stream_open(fd[0], fd[0], s));
	*other = fd[1];
}

void help_pair(stream **s, int *other)
{
	open_pair(SOCK_STREAM, s, other);
}

void help_packets(stream **s, int *other)
{
	open_pair(SOCK_SEQPACKET, s, other);
}

void help_send(int fd, const char *z)
{
	cr_assert_eq(send(fd, z, strlen(z), MSG_NOSIGNAL), (ssize_t)strlen(z));
}

static char received[65536];

const char *help_receive(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	ssize_t n = poll(&p, 1, 60000) == 1 ? recv(fd, received, sizeof received - 1, 0) : 0;

	received[n > 0 ? n : 0] = '\0';
	return received;
}

bool help_silent(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 300) == 0;
}

const char *help_receive_all(int fd)
{
	size_t size = 0;
	ssize_t n;

	while ((n = recv(fd, received + size, sizeof received - 1 - size, 0)) > 0)
		size += (size_t)n;
	received[size] = '\0';
	return received;
}

int help_connect(unsigned port)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert(fd >= 0);
	cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	return fd;
}

unsigned help_port(int fd)
{
	struct sockaddr_storage at;
	socklen_t size = sizeof at;
	net_address a;

	cr_assert_eq(getsockname(fd, (struct sockaddr *)&at, &size), 0);
	net_address_of(&at, &a);
	return a.port;
}

static char folders[8][64];
static unsigned folder_count;

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *where)
{
	(void)about, (void)kind, (void)where;
	return remove(path);
}

static void remove_folders(void)
{
	while (folder_count > 0)
		nftw(folders[--folder_count], remove_one, 4, FTW_DEPTH | FTW_PHYS);
}

char *help_folder(void)
{
	cr_assert_lt(folder_count, sizeof folders / sizeof folders[0]);
	char *made = folders[folder_count];

	if (folder_count++ == 0)
		atexit(remove_folders);
	snprintf(made, sizeof folders[0], "%s", "/tmp/pennypost-net-XXXXXX");
	cr_assert(mkdtemp(made));
	return made;
}

const char *help_path(const char *folder, const char *file)
{
	static char path[4][400];
	static unsigned next;
	char *made = path[next++ % 4];

	snprintf(made, sizeof path[0], "%s/%s", folder, file);
	return made;
}

static void add_host(X509 *x, const char *host)
{
	char value[300];
	struct in_addr address;
	bool is_address = inet_pton(AF_INET, host, &address) == 1;

	snprintf(value, sizeof value, "%s:%s", is_address ? "IP" : "DNS", host);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, value);
	cr_assert(e && X509_add_ext(x, e, -1) == 1);
	X509_EXTENSION_free(e);
}

void help_certificate(const char *folder, const char *name, const char *host)
{
	help_certificate_of(folder, name, host, "EC", -3600, 3600);
}

void help_certificate_of(const char *folder, const char *name, const char *host, const char *kind,
	long from, long until)
{
	static long serial = 1;
	char file[256];
	bool is_ec = strcmp(kind, "EC") == 0;
	EVP_PKEY *key = is_ec ? EVP_EC_gen("P-256") : EVP_PKEY_Q_keygen(NULL, NULL, kind);
	X509 *x = X509_new();

	cr_assert(key && x);
	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
	X509_gmtime_adj(X509_getm_notBefore(x), from);
	X509_gmtime_adj(X509_getm_notAfter(x), until);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8,
		(const unsigned char *)host, -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	X509_set_pubkey(x, key);
	add_host(x, host);
	cr_assert(X509_sign(x, key, is_ec ? EVP_sha256() : NULL) > 0);

	snprintf(file, sizeof file, "%s.crt", name);
	FILE *f = fopen(help_path(folder, file), "w");
	cr_assert(f && PEM_write_X509(f, x) == 1);
	fclose(f);
	snprintf(file, sizeof file, "%s.key", name);
	f = fopen(help_path(folder, file), "w");
	cr_assert(f && PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1);
	fclose(f);
	X509_free(x);
	EVP_PKEY_free(key);
}
