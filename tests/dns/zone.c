/* A DNS server for tests; see zone.h. One thread, one poll; the names of a script are few, so that
   everything is looked up by walking. */
#include "zone.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MOST 16
#define LATER_MOST 256
#define NAME_MOST 256
#define TYPE_ANY_NAME 0 /* a manner, no record */

enum { RCODE_OK = 0, RCODE_SERVFAIL = 2, RCODE_NXDOMAIN = 3, RCODE_REFUSED = 5 };

struct line {
	struct line *next;
	char name[NAME_MOST];
	int type;
	unsigned ttl;
	uint8_t *data; /* of a record, as it travels */
	size_t size;
	char manner[16];
	int number;   /* of a manner; -1 = none */
	unsigned met; /* how often the manner was met */
};

struct asked {
	struct asked *next;
	char name[NAME_MOST];
};

struct later { /* an answer that waits */
	long long at;
	int tcp; /* -1: UDP */
	struct sockaddr_in to;
	uint8_t *message;
	size_t size;
};

struct client {
	int fd;
	uint8_t in[514];
	size_t got;
};

struct zone {
	struct line *lines;
	struct asked *asked;
	pthread_mutex_t lock; /* of asked */
	pthread_t thread;
	int udp, tcp, stop;
	unsigned port;
	struct client client[CLIENTS_MOST];
	struct later later[LATER_MOST];
	int waiting;
};

static long long now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- the script */

static const struct {
	const char *word;
	int type;
} types[] = {{"A", 1}, {"NS", 2}, {"CNAME", 5}, {"PTR", 12}, {"MX", 15}, {"TXT", 16}, {"AAAA", 28},
	{"SRV", 33}, {"TLSA", 52}};

static size_t put_name(uint8_t *to, const char *name)
{
	size_t size = 0;

	while (*name && strcmp(name, ".") != 0) {
		size_t label = strcspn(name, ".");
		to[size++] = (uint8_t)label;
		memcpy(to + size, name, label);
		size += label;
		name += label + (name[label] == '.');
	}
	to[size++] = 0;
	return size;
}

static size_t put16(uint8_t *to, unsigned value)
{
	to[0] = (uint8_t)(value >> 8);
	to[1] = (uint8_t)value;
	return 2;
}

static size_t put_string(uint8_t *to, const char *at, size_t size)
{
	to[0] = (uint8_t)size;
	memcpy(to + 1, at, size);
	return size + 1;
}

static size_t put_strings(uint8_t *to, const char *text)
{
	size_t size = 0;

	if (*text != '"') { /* the rest of the line, in strings as long as they may be */
		size_t left = strlen(text);
		do {
			size_t piece = left < 255 ? left : 255;
			size += put_string(to + size, text, piece);
			text += piece;
			left -= piece;
		} while (left > 0);
		return size;
	}
	while (*text == '"') {
		size_t piece = strcspn(++text, "\"");
		size += put_string(to + size, text, piece);
		text += piece + (text[piece] == '"');
		text += strspn(text, " \t");
	}
	return size;
}

static size_t put_hex(uint8_t *to, const char *hex)
{
	size_t size = 0;
	unsigned byte;

	for (; sscanf(hex, "%2x", &byte) == 1; hex += 2)
		to[size++] = (uint8_t)byte;
	return size;
}

/* A record's data; 0 when the line is wrong. */
static size_t put_data(uint8_t *to, int type, const char *rest)
{
	unsigned n[3];
	char name[NAME_MOST];
	size_t size = 0;
	int used = 0;

	switch (type) {
	case 1:
		return inet_pton(AF_INET, rest, to) == 1 ? 4 : 0;
	case 28:
		return inet_pton(AF_INET6, rest, to) == 1 ? 16 : 0;
	case 16:
		return put_strings(to, rest);
	case 15:
		if (sscanf(rest, "%u %255s", &n[0], name) != 2)
			return 0;
		size = put16(to, n[0]);
		return size + put_name(to + size, name);
	case 33:
		if (sscanf(rest, "%u %u %u %255s", &n[0], &n[1], &n[2], name) != 4)
			return 0;
		for (int i = 0; i < 3; i++)
			size += put16(to + size, n[i]);
		return size + put_name(to + size, name);
	case 52:
		if (sscanf(rest, "%u %u %u %n", &n[0], &n[1], &n[2], &used) < 3)
			return 0;
		for (int i = 0; i < 3; i++)
			to[size++] = (uint8_t)n[i];
		return size + put_hex(to + size, rest + used);
	default:
		return put_name(to, rest);
	}
}

static bool record_line(struct line *l, const char *word, const char *rest)
{
	static uint8_t data[65536];

	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if (strcasecmp(types[i].word, word) == 0)
			l->type = types[i].type;
	if (l->type == TYPE_ANY_NAME)
		return false;
	l->size = put_data(data, l->type, rest);
	l->data = malloc(l->size + 1);
	memcpy(l->data, data, l->size);
	return l->size > 0;
}

static bool script_line(struct line *l, const char *at)
{
	char word[NAME_MOST];
	int used = 0;

	if (sscanf(at, "%255s %n", l->name, &used) != 1)
		return false;
	size_t size = strlen(l->name);
	if (size > 1 && l->name[size - 1] == '.')
		l->name[size - 1] = '\0';
	at += used;
	if (*at == '!') {
		l->number = -1;
		return sscanf(at + 1, "%15s %d", l->manner, &l->number) >= 1;
	}
	l->ttl = 300;
	if (sscanf(at, "%u %n", &l->ttl, &used) == 1)
		at += used;
	return sscanf(at, "%255s %n", word, &used) == 1 && record_line(l, word, at + used);
}

static bool script_read(zone *z, const char *script)
{
	struct line **last = &z->lines;
	char at[8192];

	for (; *script; script += strcspn(script, "\n"), script += *script == '\n') {
		size_t size = strcspn(script, "\n");
		const char *text = script + strspn(script, " \t");
		if (text >= script + size || *text == '#')
			continue;
		if (size >= sizeof at) {
			fprintf(stderr, "zone: a line is too long\n");
			return false;
		}
		memcpy(at, script, size);
		at[size] = '\0';
		struct line *l = calloc(1, sizeof *l);
		*last = l;
		last = &l->next;
		if (!script_line(l, at)) {
			fprintf(stderr, "zone: not understood: %s\n", at);
			return false;
		}
	}
	return true;
}

/* ---- answers */

/* The first manner of that name in force, or NULL; counts how often it was met. */
static struct line *manner(zone *z, const char *name, const char *word)
{
	for (struct line *l = z->lines; l; l = l->next)
		if (strcmp(l->manner, word) == 0 &&
			(strcasecmp(l->name, name) == 0 || strcmp(l->name, "*") == 0)) {
			bool limited = l->number >= 0 && strcmp(word, "delay") != 0;
			return limited && l->met++ >= (unsigned)l->number ? NULL : l;
		}
	return NULL;
}

/* Whether there is anything at or below the name. */
static bool exists(const zone *z, const char *name)
{
	size_t size = strlen(name);

	for (const struct line *l = z->lines; l; l = l->next) {
		size_t other = strlen(l->name);
		if (l->type != TYPE_ANY_NAME && other >= size &&
			strcasecmp(l->name + other - size, name) == 0 &&
			(other == size || l->name[other - size - 1] == '.'))
			return true;
	}
	return false;
}

struct query {
	uint16_t id;
	unsigned flags;
	char name[NAME_MOST];
	unsigned type;
	size_t question; /* header and question as they came */
};

static bool query_read(const uint8_t *at, size_t size, struct query *q)
{
	size_t p = 12, n = 0;

	if (size < 17)
		return false;
	*q = (struct query){
		.id = (uint16_t)(at[0] << 8 | at[1]), .flags = (unsigned)(at[2] << 8 | at[3])};
	while (p < size && at[p] != 0) {
		size_t label = at[p];
		if (label > 63 || p + 1 + label >= size || n + label + 1 >= sizeof q->name)
			return false;
		if (n > 0)
			q->name[n++] = '.';
		memcpy(q->name + n, at + p + 1, label);
		n += label;
		p += label + 1;
	}
	if (p + 5 > size)
		return false;
	q->type = (unsigned)(at[p + 1] << 8 | at[p + 2]);
	q->question = p + 5;
	return true;
}

#define ANSWER_MOST 65535

struct answer {
	uint8_t at[ANSWER_MOST + 1024];
	size_t size;
	unsigned records;
};

static void add_record(struct answer *a, const char *owner, unsigned type, unsigned ttl,
	const uint8_t *data, size_t size)
{
	if (a->size + size + NAME_MOST + 16 > ANSWER_MOST)
		return;
	a->size += put_name(a->at + a->size, owner);
	a->size += put16(a->at + a->size, type);
	a->size += put16(a->at + a->size, 1);
	a->size += put16(a->at + a->size, ttl >> 16);
	a->size += put16(a->at + a->size, ttl & 0xffff);
	a->size += put16(a->at + a->size, (unsigned)size);
	memcpy(a->at + a->size, data, size);
	a->size += size;
	a->records++;
}

/* The records, aliases first. Gives the name where they led. */
static const char *add_records(zone *z, const struct query *q, struct answer *a, bool *found)
{
	const char *name = q->name;

	*found = false;
	for (int hops = 0; hops < 20; hops++) {
		const struct line *alias = NULL;
		for (const struct line *l = z->lines; l; l = l->next) {
			if (strcasecmp(l->name, name) != 0)
				continue;
			if (l->type == (int)q->type) {
				add_record(a, name, q->type, l->ttl, l->data, l->size);
				*found = true;
			} else if (l->type == 5) {
				alias = l;
			}
		}
		if (*found || alias == NULL)
			return name;
		add_record(a, name, 5, alias->ttl, alias->data, alias->size);
		static char target[NAME_MOST];
		size_t n = 0;
		for (size_t p = 0; alias->data[p] != 0; p += alias->data[p] + 1u)
			n += (size_t)snprintf(target + n, sizeof target - n, "%s%.*s", n ? "." : "",
				alias->data[p], (const char *)alias->data + p + 1);
		name = target;
	}
	return name;
}

static void add_soa(struct answer *a)
{
	uint8_t data[64];
	size_t size = put_name(data, "ns.invalid");
	unsigned fields[] = {1, 3600, 600, 86400, 60};

	size += put_name(data + size, "root.invalid");
	for (int i = 0; i < 5; i++) {
		size += put16(data + size, fields[i] >> 16);
		size += put16(data + size, fields[i] & 0xffff);
	}
	add_record(a, "", 6, 900, data, size);
}

static void make_answer(
	zone *z, const uint8_t *query, const struct query *q, bool udp, struct answer *a)
{
	unsigned rcode = RCODE_OK, flags = 0x8180u | (q->flags & 0x10);
	bool found = false, bogus = manner(z, q->name, "bogus") && !(q->flags & 0x10);

	memcpy(a->at, query, q->question);
	a->size = q->question;
	a->records = 0;
	if (manner(z, q->name, "refused"))
		rcode = RCODE_REFUSED;
	else if (bogus || manner(z, q->name, "servfail") ||
		 (q->type == 28 && manner(z, q->name, "servfail-aaaa")))
		rcode = RCODE_SERVFAIL;
	else {
		const char *end = add_records(z, q, a, &found);
		rcode = found || exists(z, end) ? RCODE_OK : RCODE_NXDOMAIN;
		if (manner(z, q->name, "secure") && q->flags & 0x20)
			flags |= 0x20;
	}
	bool cut = udp && (a->size > 1232 || manner(z, q->name, "truncate"));
	unsigned answers = a->records, authorities = 0;
	if (cut) {
		a->size = q->question;
		answers = 0;
		flags |= 0x200;
	} else if (!found && (rcode == RCODE_OK || rcode == RCODE_NXDOMAIN)) {
		add_soa(a);
		authorities = 1;
	}
	put16(a->at + 2, flags | rcode);
	put16(a->at + 4, 1);
	put16(a->at + 6, answers);
	put16(a->at + 8, authorities);
	put16(a->at + 10, 0);
	if (manner(z, q->name, "garbage"))
		put16(a->at + 6, answers + 7);
	if (manner(z, q->name, "other"))
		put16(a->at + q->question - 4, q->type + 1);
}

/* ---- serving */

static void send_answer(zone *z, const struct later *l)
{
	uint8_t length[2];

	if (l->tcp < 0) {
		sendto(z->udp, l->message, l->size, 0, (const struct sockaddr *)&l->to,
			sizeof l->to);
		return;
	}
	put16(length, (unsigned)l->size);
	if (send(l->tcp, length, 2, MSG_NOSIGNAL | MSG_MORE) == 2 &&
		send(l->tcp, l->message, l->size, MSG_NOSIGNAL) < 0)
		return; /* the client went */
}

static void note_asked(zone *z, const char *name)
{
	struct asked *a = calloc(1, sizeof *a);

	snprintf(a->name, sizeof a->name, "%s", name);
	pthread_mutex_lock(&z->lock);
	a->next = z->asked;
	z->asked = a;
	pthread_mutex_unlock(&z->lock);
}

static void answer_query(
	zone *z, const uint8_t *query, size_t size, int tcp, const struct sockaddr_in *from)
{
	static struct answer a;
	struct query q;

	if (!query_read(query, size, &q))
		return;
	note_asked(z, q.name);
	if (manner(z, q.name, "silent"))
		return;
	make_answer(z, query, &q, tcp < 0, &a);
	struct later l = {.tcp = tcp, .to = *from, .message = a.at, .size = a.size};
	const struct line *delay = manner(z, q.name, "delay");
	if (delay == NULL) {
		send_answer(z, &l);
		return;
	}
	if (z->waiting == LATER_MOST)
		return;
	l.at = now_ms() + delay->number;
	l.message = malloc(a.size);
	memcpy(l.message, a.at, a.size);
	z->later[z->waiting++] = l;
}

static void send_due(zone *z)
{
	for (int i = 0; i < z->waiting;) {
		if (z->later[i].at > now_ms()) {
			i++;
			continue;
		}
		send_answer(z, &z->later[i]);
		free(z->later[i].message);
		z->later[i] = z->later[--z->waiting];
	}
}

static int patience(const zone *z)
{
	long long next = -1;

	for (int i = 0; i < z->waiting; i++)
		if (next < 0 || z->later[i].at < next)
			next = z->later[i].at;
	long long left = next < 0 ? -1 : next - now_ms();
	return next < 0 ? -1 : left < 0 ? 0 : (int)left;
}

static void take_client(zone *z)
{
	int fd = accept4(z->tcp, NULL, NULL, SOCK_CLOEXEC);

	for (int i = 0; fd >= 0 && i < CLIENTS_MOST; i++)
		if (z->client[i].fd < 0) {
			z->client[i] = (struct client){.fd = fd};
			return;
		}
	if (fd >= 0)
		close(fd);
}

static void read_client(zone *z, struct client *c)
{
	static const struct sockaddr_in nobody;
	ssize_t n = recv(c->fd, c->in + c->got, sizeof c->in - c->got, 0);

	if (n <= 0) {
		for (int i = 0; i < z->waiting; i++)
			if (z->later[i].tcp == c->fd)
				z->later[i].at = 0;
		send_due(z);
		close(c->fd);
		c->fd = -1;
		return;
	}
	c->got += (size_t)n;
	for (;;) {
		size_t size = c->got >= 2 ? (size_t)(c->in[0] << 8 | c->in[1]) : sizeof c->in;
		if (c->got < size + 2)
			return;
		answer_query(z, c->in + 2, size, c->fd, &nobody);
		c->got -= size + 2;
		memmove(c->in, c->in + 2 + size, c->got);
	}
}

static void *serve(void *of)
{
	zone *z = of;

	for (;;) {
		struct pollfd p[3 + CLIENTS_MOST] = {{.fd = z->stop, .events = POLLIN},
			{.fd = z->udp, .events = POLLIN}, {.fd = z->tcp, .events = POLLIN}};
		for (int i = 0; i < CLIENTS_MOST; i++)
			p[3 + i] = (struct pollfd){.fd = z->client[i].fd, .events = POLLIN};
		if (poll(p, 3 + CLIENTS_MOST, patience(z)) < 0 && errno != EINTR)
			return NULL;
		if (p[0].revents)
			return NULL;
		send_due(z);
		if (p[1].revents) {
			uint8_t query[512];
			struct sockaddr_in from;
			socklen_t size = sizeof from;
			ssize_t n = recvfrom(z->udp, query, sizeof query, MSG_DONTWAIT,
				(struct sockaddr *)&from, &size);
			if (n > 0)
				answer_query(z, query, (size_t)n, -1, &from);
		}
		for (int i = 0; i < CLIENTS_MOST; i++)
			if (z->client[i].fd >= 0 && p[3 + i].revents)
				read_client(z, &z->client[i]);
		if (p[2].revents)
			take_client(z);
	}
}

static int bound(int kind, unsigned *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
		.sin_port = htons((uint16_t)*port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof at;
	int fd = socket(AF_INET, kind | SOCK_CLOEXEC, 0), on = 1;

	if (kind == SOCK_STREAM)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, size) != 0 ||
		(kind == SOCK_STREAM && listen(fd, 16) != 0) ||
		getsockname(fd, (struct sockaddr *)&at, &size) != 0) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	*port = ntohs(at.sin_port);
	return fd;
}

/* UDP and TCP on one port; any that is free to both when none was asked for. */
static bool bind_both(zone *z, unsigned port)
{
	for (int tries = 0; tries < (port ? 1 : 50); tries++) {
		z->port = port;
		z->tcp = bound(SOCK_STREAM, &z->port);
		if (z->tcp < 0)
			continue;
		z->udp = bound(SOCK_DGRAM, &z->port);
		if (z->udp >= 0)
			return true;
		close(z->tcp);
		z->tcp = -1;
	}
	fprintf(stderr, "zone: port %u of 127.0.0.1 is taken\n", port);
	return false;
}

zone *zone_serve(const char *script, unsigned port)
{
	zone *z = calloc(1, sizeof *z);

	z->udp = z->tcp = -1;
	z->stop = eventfd(0, EFD_CLOEXEC);
	pthread_mutex_init(&z->lock, NULL);
	for (int i = 0; i < CLIENTS_MOST; i++)
		z->client[i].fd = -1;
	if (!script_read(z, script) || !bind_both(z, port) ||
		pthread_create(&z->thread, NULL, serve, z) != 0)
		exit(1);
	return z;
}

unsigned zone_port(const zone *z)
{
	return z->port;
}

unsigned zone_asked(zone *z, const char *name)
{
	unsigned n = 0;

	pthread_mutex_lock(&z->lock);
	for (const struct asked *a = z->asked; a; a = a->next)
		n += name == NULL || strcasecmp(a->name, name) == 0;
	pthread_mutex_unlock(&z->lock);
	return n;
}

void zone_stop(zone **of)
{
	zone *z = *of;
	uint64_t one = 1;

	*of = NULL;
	if (write(z->stop, &one, sizeof one) != sizeof one)
		abort();
	pthread_join(z->thread, NULL);
	for (int i = 0; i < z->waiting; i++)
		free(z->later[i].message);
	for (int i = 0; i < CLIENTS_MOST; i++)
		if (z->client[i].fd >= 0)
			close(z->client[i].fd);
	for (struct line *l = z->lines, *next; l; l = next) {
		next = l->next;
		free(l->data);
		free(l);
	}
	for (struct asked *a = z->asked, *next; a; a = next) {
		next = a->next;
		free(a);
	}
	close(z->udp);
	close(z->tcp);
	close(z->stop);
	pthread_mutex_destroy(&z->lock);
	free(z);
}
