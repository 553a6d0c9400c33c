/* Rules for new passwords: length, characters, not the name, not in the dictionary (V10). The
   dictionary is the built-in list or a file of the operator's; it is read once and again when the
   file changed. */
#include "provider/auth.h"

#include "base/log.h"
#include "base/map.h"
#include "base/memory.h"
#include "base/secret.h"
#include "mail/address.h"
#include "provider/auth_secret.h"
#include "provider/saslprep.h"
#include "provider/setting.h"
#include "task/task.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>

static const char *const weak[] = {
#define WEAK(word) word,
#include "provider/auth_weak.def"
#undef WEAK
};

#define LINE_MOST 256
#define FILE_MOST (64 << 20) /* bytes of a dictionary file */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static map *words;                 /* of the present dictionary */
static char words_file[4001];      /* which file it came from; "" = built in */
static struct timespec words_time; /* and as of when */

static void add_word(map *m, slice word)
{
	static char stands;
	arena a = ARENA_INIT;
	slice folded = mail_local_key(slice_trim(word), &a);
	if (folded.size > 0)
		map_put(m, folded, &stands);
	arena_release(&a);
}

static map *built_in(void)
{
	map *m = map_open();
	for (size_t i = 0; i < sizeof weak / sizeof weak[0]; i++)
		add_word(m, slice_z(weak[i]));
	return m;
}

static map *from_file(const char *path)
{
	char line[LINE_MOST];
	FILE *f = fopen(path, "re");

	if (!f)
		return NULL;
	map *m = map_open();
	for (long left = FILE_MOST; left > 0 && fgets(line, sizeof line, f);
		left -= (long)strlen(line))
		add_word(m, slice_z(line));
	fclose(f);
	return m;
}

struct search {
	char path[4001];
	slice word; /* folded */
	bool found;
};

/* On a helper thread: reads the dictionary when it is another one now, then looks. */
static status look(void *arg)
{
	struct search *s = arg;
	struct stat st = {0};
	bool there = s->path[0] == '\0' || (stat(s->path, &st) == 0 && S_ISREG(st.st_mode));

	pthread_mutex_lock(&lock);
	if (!words || strcmp(words_file, s->path) != 0 ||
		memcmp(&words_time, &st.st_mtim, sizeof words_time) != 0) {
		map *m = s->path[0] && there ? from_file(s->path) : NULL;
		if (!m && s->path[0])
			log_event(EV_AUTH_DICTIONARY, "file=%s", log_quote(slice_z(s->path)));
		map_close(&words);
		words = m ? m : built_in();
		memcpy(words_file, s->path, sizeof words_file);
		words_time = st.st_mtim;
	}
	s->found = map_get(words, s->word) != NULL;
	pthread_mutex_unlock(&lock);
	return ST_OK;
}

static bool in_dictionary(slice folded)
{
	slice file = setting_text(S_auth_dictionary_file, NULL);
	struct search *s = memory_new(sizeof *s);

	s->word = folded;
	file = slice_until(file, sizeof s->path - 1);
	if (file.size)
		memcpy(s->path, file.at, file.size);
	task_offload(look, s);
	bool found = s->found;
	memory_free(s);
	return found;
}

static size_t characters(slice s)
{
	size_t n = 0;
	for (size_t i = 0; i < s.size; i++)
		n += ((unsigned char)s.at[i] & 0xc0) != 0x80;
	return n;
}

static status refuse(slice *why, slice sentence)
{
	*why = sentence;
	return ST_INVALID;
}

status auth_password_check(int64_t postoffice, slice name, slice password, arena *a, slice *why)
{
	const struct setting_at at = {.postoffice = postoffice};
	int64_t least = setting_number(S_auth_password_least, &at);
	arena secret = ARENA_INIT;
	slice prepared;

	if (password.size > AUTH_PASSWORD_MOST)
		return refuse(why, arena_format(a, "the password is longer than %d octets",
					   AUTH_PASSWORD_MOST));
	if ((int64_t)characters(password) < least)
		return refuse(
			why, arena_format(a, "the password is shorter than %" PRId64 " characters",
				     least));
	if (saslprep(password, &secret, &prepared) != ST_OK) {
		arena_release(&secret);
		return refuse(why, S("the password has characters that are not allowed (control or "
				     "unassigned ones, broken UTF-8)"));
	}
	slice folded = mail_local_key(prepared, &secret);
	bool named = slice_same(folded, mail_local_key(name, &secret));
	bool is_weak = !named && setting_on(S_auth_dictionary, &at) && in_dictionary(folded);
	secret_forget((char *)prepared.at, prepared.size);
	secret_forget((char *)folded.at, folded.size);
	arena_release(&secret);
	if (named)
		return refuse(why, S("the password is the name"));
	if (is_weak)
		return refuse(why, S("the password stands in the list of weak passwords"));
	return ST_OK;
}
