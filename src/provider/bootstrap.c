#include "provider/bootstrap.h"

#include "base/log.h"
#include "base/text.h"
#include "provider/db.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MOST (64 * 1024)

static const struct {
	const char *key;
	size_t at;
} keys[] = {
#define BOOTSTRAP_KEY(name, sentence) {#name, offsetof(struct bootstrap, name)},
#include "provider/bootstrap_keys.def"
#undef BOOTSTRAP_KEY
};

static status read_all(const char *path, text *t, mode_t *mode)
{
	struct stat facts = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return log_trouble(errno == ENOENT ? ST_ABSENT : ST_INVALID, EV_BOOTSTRAP_UNREAD,
			"file=%s why=%s", log_quote(slice_z(path)),
			log_quote(slice_z(strerror(errno))));
	if (fstat(fd, &facts) == 0)
		*mode = facts.st_mode;
	ssize_t got;
	do {
		text_reserve(t, 4096);
		got = read(fd, t->at + t->size, 4096);
		if (got > 0)
			t->size += (size_t)got;
	} while ((got > 0 && t->size < FILE_MOST) || (got < 0 && errno == EINTR));
	close(fd);
	if (got != 0)
		return log_trouble(ST_INVALID, EV_BOOTSTRAP_UNREAD,
			"file=%s why=\"too long or unreadable\"", log_quote(slice_z(path)));
	return ST_OK;
}

#define KEYS (sizeof keys / sizeof *keys)

struct reading {
	struct bootstrap b;
	int lines[KEYS]; /* where each key stands; 0: nowhere */
};

static slice *place_of(struct reading *r, slice key, int **line)
{
	for (size_t i = 0; i < KEYS; i++)
		if (slice_same(key, slice_z(keys[i].key))) {
			*line = &r->lines[i];
			return (slice *)((char *)&r->b + keys[i].at);
		}
	return NULL;
}

static status missing(const struct bootstrap *b, const char *why)
{
	return log_trouble(ST_INVALID, EV_BOOTSTRAP_LINE, "file=%s why=%s", log_quote(b->file),
		log_quote(slice_z(why)));
}

static status wrong(const struct bootstrap *b, int line, const char *why)
{
	return log_trouble(ST_INVALID, EV_BOOTSTRAP_LINE, "file=%s line=%d why=%s",
		log_quote(b->file), line, log_quote(slice_z(why)));
}

static const char *key_name(int i)
{
	return i < (int)KEYS ? keys[i].key : NULL;
}

/* A word alone is shown: a line that lost its key may begin with a password. */
static slice shown_key(slice key, arena *a)
{
	if (key.size == 0 || key.size > 32)
		return S("");
	for (size_t i = 0; i < key.size; i++)
		if ((key.at[i] < 'a' || key.at[i] > 'z') && (key.at[i] < 'A' || key.at[i] > 'Z') &&
			key.at[i] != '_' && key.at[i] != '-')
			return S("");
	return arena_format(a, " %.*s", SLICE_ARGS(key));
}

static status unknown_key(const struct bootstrap *b, int line, slice key, arena *a)
{
	const char *near = slice_nearest(key, key_name);
	slice meant = near ? arena_format(a, "did you mean %s? ", near) : S("");

	return wrong(b, line,
		arena_format(a, "no such key%.*s; %.*sknown are"
#define BOOTSTRAP_KEY(name, sentence) " " #name
#include "provider/bootstrap_keys.def"
#undef BOOTSTRAP_KEY
			,
			SLICE_ARGS(shown_key(key, a)), SLICE_ARGS(meant))
			.at);
}

static status read_line(struct reading *r, slice line, int number, arena *a)
{
	struct bootstrap *b = &r->b;
	int *stands;
	line = slice_trim(line);
	if (line.size == 0 || line.at[0] == '#')
		return ST_OK;
	size_t equals = slice_find(line, '=');
	if (equals == line.size)
		return wrong(b, number, "a line is written key = value");
	slice *place = place_of(r, slice_trim(slice_until(line, equals)), &stands);
	if (place == NULL)
		return unknown_key(b, number, slice_trim(slice_until(line, equals)), a);
	if (place->at)
		return wrong(b, number, "the key stands twice");
	*stands = number;
	*place = arena_copy(a, slice_trim(slice_from(line, equals + 1)));
	return ST_OK;
}

/* The group may read it: it is how the server's user does when the file belongs to root. */
static void warn_of_readers(const struct bootstrap *b, mode_t mode)
{
	if (mode & S_IROTH)
		log_event(EV_BOOTSTRAP_OPEN, "file=%s mode=%o", log_quote(b->file),
			(unsigned)(mode & 07777));
}

static status wrong_value(const struct reading *r, const char *key, const char *why)
{
	for (size_t i = 0; i < KEYS; i++)
		if (strcmp(keys[i].key, key) == 0)
			return wrong(&r->b, r->lines[i], why);
	return missing(&r->b, why);
}

static status complete_uris(struct reading *r, mode_t mode, arena *a)
{
	struct bootstrap *b = &r->b;
	slice why, same = {0};
	bool has_password = false;
	if (b->pguri.size == 0)
		return missing(b,
			"pguri is missing: where the database is, as postgresql://pennypost_run@host/pennypost");
	const struct {
		const char *key;
		slice uri;
	} given[] = {{"pguri", b->pguri}, {"pguri_system", b->pguri_system},
		{"pguri_owner", b->pguri_owner}, {"pguri_news", b->pguri_news}};
	for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
		if (given[i].uri.size == 0)
			continue;
		if (db_uri_as(given[i].uri, S(""), S(""), a, &same, &why) != ST_OK)
			return wrong_value(r, given[i].key,
				arena_format(a, "%s is not understood: %.*s", given[i].key,
					SLICE_ARGS(slice_trim(why)))
					.at);
		has_password |= slice_search(same, S("password='")) < same.size;
	}
	if (has_password)
		warn_of_readers(b, mode);
	if (b->pguri_system.size == 0)
		return db_uri_as(b->pguri, S("pennypost_system"), S(""), a, &b->pguri_system, &why);
	return ST_OK;
}

static status complete_prepare(struct reading *r)
{
	struct bootstrap *b = &r->b;

	if (b->prepare.size == 0)
		b->prepare = S("yes");
	if (slice_same(b->prepare, S("yes")) || slice_same(b->prepare, S("no")))
		return ST_OK;
	return wrong_value(r, "prepare", "prepare is yes or no");
}

static void complete_rest(struct bootstrap *b, arena *a)
{
	char host[256];
	if (b->node.size == 0 && gethostname(host, sizeof host) == 0)
		b->node = arena_copy(a, slice_of(host, strnlen(host, sizeof host)));
	if (b->certificates.size == 0)
		b->certificates = S("/etc/pennypost/certificates");
	if (b->state.size == 0)
		b->state = S("/run/pennypost");
	if (b->logs.size == 0)
		b->logs = S("/var/log/pennypost");
	if (b->programs.size == 0)
		b->programs = S("/etc/pennypost/programs");
	if (b->secret_file.size == 0) {
		size_t slash = slice_find_last(b->file, '/');
		slice folder = slash < b->file.size ? slice_until(b->file, slash + 1) : S("");
		b->secret_file = arena_format(a, "%.*ssecret", SLICE_ARGS(folder));
	}
}

status bootstrap_read(const char *path, arena *a, struct bootstrap *out)
{
	if (path == NULL)
		path = getenv("PENNYPOST_CONF");
	if (path == NULL || *path == 0)
		path = "/etc/pennypost/pennypost.conf";
	text t = TEXT_INIT;
	mode_t mode = 0;
	struct reading r = {.b.file = arena_copy(a, slice_z(path))};
	out->file = r.b.file;
	status kind = read_all(path, &t, &mode);
	slice rest = text_slice(&t), line;
	for (int number = 1; kind == ST_OK && slice_take(&rest, '\n', &line); number++)
		kind = read_line(&r, line, number, a);
	text_free(&t);
	TRY(kind);
	TRY(complete_uris(&r, mode, a));
	TRY(complete_prepare(&r));
	complete_rest(&r.b, a);
	*out = r.b;
	return ST_OK;
}
