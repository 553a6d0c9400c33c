/* Hashing passwords. One hash takes auth_argon2_memory; the gate lets in as many at once as the
   processors and auth_hash_memory allow, the rest wait in order for auth_hash_patience. */
#include "provider/auth_secret.h"

#include "base/clock.h"
#include "base/encode.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/random.h"
#include "base/secret.h"
#include "provider/saslprep.h"
#include "provider/scram.h"
#include "provider/setting_parse.h"
#include "task/task.h"

#include <argon2.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SALT 16
#define HASH 32
#define ENCODED_MOST 256
#define KEY 32
#define NONCE 12
#define TAG 16

/* ---- turns */

/* The settings may change while tasks wait: they keep the gate they came to, who comes later gets
   one of the new size. The last to leave an old gate closes it. */
struct turn {
	gate *g;
	unsigned slots, users;
	bool old;
};

static pthread_mutex_t turn_lock = PTHREAD_MUTEX_INITIALIZER;
static struct turn turns[8];
static int64_t
	largest_stored; /* memory of the largest stored hash met: budgets must hold for it too */

static unsigned slots_now(int64_t memory)
{
	int64_t most = setting_number(S_auth_argon2_memory, NULL);

	if (memory > largest_stored)
		largest_stored = memory;
	if (largest_stored > most)
		most = largest_stored;
	int64_t slots = setting_number(S_auth_hash_memory, NULL) / most;
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	if (slots > cores)
		slots = cores;
	return slots < 1 ? 1 : (unsigned)slots;
}

static void close_if_unused(struct turn *t)
{
	if (t->old && t->users == 0)
		gate_close(&t->g);
}

/* The present gate; NULL when eight sizes are in use at once, which a busy operator may do. */
static struct turn *turn_take(int64_t memory)
{
	struct turn *found = NULL;

	pthread_mutex_lock(&turn_lock);
	unsigned slots = slots_now(memory);
	for (int i = 0; i < 8; i++) {
		struct turn *t = &turns[i];
		if (t->g && !t->old && t->slots != slots) {
			t->old = true;
			close_if_unused(t);
		}
		if (t->g && !t->old)
			found = t;
	}
	for (int i = 0; i < 8 && !found; i++) {
		if (!turns[i].g) {
			found = &turns[i];
			*found = (struct turn){.g = gate_open(slots), .slots = slots};
		}
	}
	if (found)
		found->users++;
	pthread_mutex_unlock(&turn_lock);
	return found;
}

static void turn_give(struct turn *t)
{
	pthread_mutex_lock(&turn_lock);
	t->users--;
	close_if_unused(t);
	pthread_mutex_unlock(&turn_lock);
}

/* Runs the job on a helper thread when it is its turn. */
static status in_turn(status (*job)(void *), void *arg, int64_t memory)
{
	struct turn *t = turn_take(memory);
	if (!t)
		return ST_BUSY;

	usec patience = clock_now() + setting_number(S_auth_hash_patience, NULL);
	usec before = task_deadline_now();
	task_deadline(patience < before ? patience : before);
	status kind = gate_enter(t->g);
	task_deadline(before);
	if (kind == ST_OK) {
		metric_add(M_password_hashes, SERVICE_NONE, 1);
		kind = task_offload(job, arg);
		gate_leave(t->g);
	} else if (kind == ST_TIMED_OUT && clock_now() < before) {
		kind = log_trouble(ST_BUSY, EV_AUTH_HASH_BUSY, "slots=%u", t->slots);
	}
	turn_give(t);
	return kind;
}

uint64_t auth_hash_count(void)
{
	return (uint64_t)metric_value(M_password_hashes, SERVICE_NONE);
}

/* ---- argon2id */

struct parameters {
	uint32_t memory, passes, lanes; /* memory in KiB */
};

static struct parameters wanted_parameters(void)
{
	return (struct parameters){
		.memory = (uint32_t)(setting_number(S_auth_argon2_memory, NULL) / 1024),
		.passes = (uint32_t)setting_number(S_auth_argon2_passes, NULL),
		.lanes = (uint32_t)setting_number(S_auth_argon2_lanes, NULL)};
}

#define HEAD "$argon2id$v=19$"

/* "$argon2id$v=19$m=19456,t=2,p=1$salt$hash": what a hash would cost, before anything is computed.
 *rest: salt and hash. */
static bool read_parameters(slice hash, struct parameters *out, slice *rest)
{
	static const slice names[] = {{"m=", 2}, {"t=", 2}, {"p=", 2}};
	slice part, list;
	uint64_t values[3];

	if (!slice_starts(hash, S(HEAD)) || hash.size > ENCODED_MOST)
		return false;
	*rest = slice_from(hash, sizeof HEAD - 1);
	if (!slice_take(rest, '$', &list) || !rest->at)
		return false;
	for (int i = 0; i < 3; i++)
		if (!slice_take(&list, ',', &part) || !slice_starts(part, names[i]) ||
			!slice_number(slice_from(part, 2), &values[i]) || values[i] > UINT32_MAX)
			return false;
	*out = (struct parameters){(uint32_t)values[0], (uint32_t)values[1], (uint32_t)values[2]};
	return !list.at;
}

/* No stored hash may cost more than the settings could ever ask for (T34). */
static bool bearable(const struct parameters *p)
{
	int64_t memory = 0, passes = 0, lanes = 0;

	setting_parse(SK_SIZE, slice_z(setting_rows[S_auth_argon2_memory].most), &memory);
	setting_parse(SK_COUNT, slice_z(setting_rows[S_auth_argon2_passes].most), &passes);
	setting_parse(SK_COUNT, slice_z(setting_rows[S_auth_argon2_lanes].most), &lanes);
	return p->lanes >= 1 && p->lanes <= lanes && p->passes >= 1 && p->passes <= passes &&
	       p->memory >= 8 * p->lanes /* RFC 9106, 3.1 */ && (int64_t)p->memory * 1024 <= memory;
}

/* The base64 of this notation has no padding. */
static status read_base64(slice bare, arena *a, slice *raw)
{
	slice padded = arena_format(
		a, "%.*s%.*s", SLICE_ARGS(bare), (int)((4 - bare.size % 4) % 4), "===");
	return base64_decode(padded, a, raw);
}

static slice write_base64(slice raw, arena *a)
{
	slice padded = base64_encode(raw, a);
	return slice_until(padded, slice_find(padded, '='));
}

struct hash_job {
	struct parameters p;
	slice password, salt; /* the password prepared */
	uint8_t out[HASH];
	unsigned iterations; /* of a SCRAM verifier to make too; 0 = none */
	struct scram_verifier scram;
};

/* Straight from the kernel and back to it: malloc would keep such blocks, one in each of its
   arenas, and the budget would not hold. */
static int take_memory(uint8_t **memory, size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	*memory = at == MAP_FAILED ? NULL : at;
	return at == MAP_FAILED ? ARGON2_MEMORY_ALLOCATION_ERROR : ARGON2_OK;
}

static void give_memory(uint8_t *memory, size_t size)
{
	munmap(memory, size);
}

static status compute(void *arg)
{
	struct hash_job *j = arg;
	argon2_context c = {.out = j->out,
		.outlen = HASH,
		.pwd = (uint8_t *)j->password.at,
		.pwdlen = (uint32_t)j->password.size,
		.salt = (uint8_t *)j->salt.at,
		.saltlen = (uint32_t)j->salt.size,
		.t_cost = j->p.passes,
		.m_cost = j->p.memory,
		.lanes = j->p.lanes,
		.threads = 1, /* lanes in turn: a logon takes one processor, as the gate counts */
		.version = ARGON2_VERSION_13,
		.allocate_cbk = take_memory,
		.free_cbk = give_memory,
		.flags = ARGON2_DEFAULT_FLAGS};
	int kind = argon2id_ctx(&c);

	if (j->iterations > 0)
		scram_verifier_make(j->password, j->salt, j->iterations, &j->scram);
	return kind == ARGON2_OK                        ? ST_OK
	       : kind == ARGON2_MEMORY_ALLOCATION_ERROR ? ST_BUSY
							: ST_BROKEN;
}

static slice write_hash(const struct hash_job *j, arena *a)
{
	slice salt = write_base64(j->salt, a), hash = write_base64(slice_of(j->out, HASH), a);
	return arena_format(a, HEAD "m=%" PRIu32 ",t=%" PRIu32 ",p=%" PRIu32 "$%.*s$%.*s",
		j->p.memory, j->p.passes, j->p.lanes, SLICE_ARGS(salt), SLICE_ARGS(hash));
}

/* What a stored hash holds; ST_BROKEN when it is none of ours or too dear. */
static status read_hash(slice stored, arena *a, struct hash_job *j, slice *hash)
{
	slice rest, salt;

	if (!read_parameters(stored, &j->p, &rest) || !bearable(&j->p) ||
		!slice_take(&rest, '$', &salt) || !rest.at ||
		read_base64(salt, a, &j->salt) != ST_OK || j->salt.size < ARGON2_MIN_SALT_LENGTH ||
		read_base64(rest, a, hash) != ST_OK || hash->size != HASH)
		return log_trouble(ST_BROKEN, EV_AUTH_HASH_BROKEN, NULL);
	return ST_OK;
}

/* The prepared form, or the bytes as they are: those fit no hash, but cost the same. */
static slice prepared_or_raw(slice password, arena *secret)
{
	slice prepared;
	return saslprep(password, secret, &prepared) == ST_OK ? prepared
							      : arena_copy(secret, password);
}

static void forget(slice password, arena *secret)
{
	if (password.at)
		secret_forget((char *)password.at, password.size);
	arena_release(secret);
}

/* ---- recoverable secrets */

static uint8_t key[KEY];
static bool has_key;

static status seal(int64_t postoffice, slice password, arena *a, slice *sealed)
{
	uint8_t *to = arena_new(a, NONCE + password.size + TAG);
	int size = 0;
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();

	random_bytes(to, NONCE);
	/* The post office is part of it: a secret moved to another tenant's row does not open. */
	bool made =
		c && EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, key, to) == 1 &&
		EVP_EncryptUpdate(c, NULL, &size, (void *)&postoffice, sizeof postoffice) == 1 &&
		EVP_EncryptUpdate(
			c, to + NONCE, &size, (const void *)password.at, (int)password.size) == 1 &&
		EVP_EncryptFinal_ex(c, to + NONCE + size, &size) == 1 &&
		EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG, to + NONCE + password.size) == 1;
	EVP_CIPHER_CTX_free(c);
	*sealed = slice_of(to, NONCE + password.size + TAG);
	return made ? ST_OK : ST_BROKEN;
}

status auth_secret_keep(int64_t postoffice, slice password, arena *a, slice *recoverable)
{
	return has_key ? seal(postoffice, password, a, recoverable) : ST_ABSENT;
}

status auth_secret_recover(int64_t postoffice, slice recoverable, arena *a, slice *password)
{
	if (recoverable.size == 0)
		return ST_ABSENT;
	if (!has_key || recoverable.size < NONCE + TAG)
		return ST_BROKEN;
	size_t size = recoverable.size - NONCE - TAG;
	const uint8_t *from = (const uint8_t *)recoverable.at;
	uint8_t *to = arena_new(a, size + 1), tag[TAG];
	int n = 0;
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();

	memcpy(tag, from + NONCE + size, TAG);
	bool right = c && EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, key, from) == 1 &&
		     EVP_DecryptUpdate(c, NULL, &n, (void *)&postoffice, sizeof postoffice) == 1 &&
		     EVP_DecryptUpdate(c, to, &n, from + NONCE, (int)size) == 1 &&
		     EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG, tag) == 1 &&
		     EVP_DecryptFinal_ex(c, to + n, &n) == 1;
	EVP_CIPHER_CTX_free(c);
	*password = slice_of(to, size);
	return right ? ST_OK : ST_BROKEN;
}

bool auth_secret_has_key(void)
{
	return has_key;
}

static status read_key(const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return ST_OK; /* none: recoverable secrets cannot be switched on */
	if (fd < 0)
		return log_trouble(ST_INVALID, EV_AUTH_SECRET_FILE, "file=%s errno=%d",
			log_quote(slice_z(path)), errno);
	bool fine = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 077) == 0 &&
		    st.st_size == KEY && read(fd, key, KEY) == KEY;
	close(fd);
	if (!fine)
		return log_trouble(
			ST_INVALID, EV_AUTH_SECRET_FILE, "file=%s", log_quote(slice_z(path)));
	has_key = true;
	return ST_OK;
}

status auth_secret_open(const struct bootstrap *b)
{
	arena a = ARENA_INIT;
	auth_secret_close();
	status kind = read_key(arena_z(&a, b->secret_file));
	arena_release(&a);
	return kind;
}

void auth_secret_close(void)
{
	secret_forget(key, sizeof key);
	has_key = false;
}

status auth_secret_mark(arena *a, slice *mark)
{
	static const char of[] = "Pennypost secret file";
	uint8_t *to = arena_new(a, EVP_MAX_MD_SIZE);
	unsigned size = 0;

	if (!has_key)
		return ST_ABSENT;
	if (!HMAC(EVP_sha256(), key, KEY, (const uint8_t *)of, sizeof of - 1, to, &size))
		return ST_BROKEN;
	*mark = slice_of(to, size);
	return ST_OK;
}

static bool give_to_user(int fd, slice user, arena *a)
{
	if (geteuid() != 0 || user.size == 0)
		return true;
	const struct passwd *p = getpwnam(arena_z(a, user));
	return p && fchown(fd, p->pw_uid, p->pw_gid) == 0;
}

static status make_file(const char *path, slice user, arena *a)
{
	uint8_t fresh[KEY];
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 && errno == EEXIST)
		return ST_OK;
	if (fd < 0)
		return log_trouble(ST_DENIED, EV_AUTH_SECRET_FILE, "file=%s errno=%d",
			log_quote(slice_z(path)), errno);
	random_bytes(fresh, sizeof fresh);
	bool made = write(fd, fresh, KEY) == KEY && give_to_user(fd, user, a) && fsync(fd) == 0;
	secret_forget(fresh, sizeof fresh);
	close(fd);
	if (made)
		return ST_OK;
	unlink(path); /* half a key is none */
	return log_trouble(ST_DENIED, EV_AUTH_SECRET_FILE, "file=%s errno=%d",
		log_quote(slice_z(path)), errno);
}

status auth_secret_file_make(const struct bootstrap *b)
{
	arena a = ARENA_INIT;
	status kind = make_file(arena_z(&a, b->secret_file), b->user, &a);
	arena_release(&a);
	return kind;
}

/* ---- making and checking */

status auth_hash_new(int64_t postoffice, slice password, arena *a, struct auth_secrets *out)
{
	const struct setting_at at = {.postoffice = postoffice};
	bool recoverable = setting_on(S_auth_recoverable, &at);
	struct auth_secrets made = {0};
	arena secret = ARENA_INIT;
	uint8_t salt[SALT];

	if (password.size > AUTH_PASSWORD_MOST)
		return ST_TOO_BIG;
	if (recoverable && !has_key)
		return log_trouble(ST_BROKEN, EV_AUTH_NO_KEY, "postoffice=%" PRId64, postoffice);
	random_bytes(salt, sizeof salt);
	struct hash_job j = {.p = wanted_parameters(),
		.password = prepared_or_raw(password, &secret),
		.salt = slice_of(salt, sizeof salt),
		.iterations = (unsigned)setting_number(S_auth_scram_iterations, NULL)};
	status kind = in_turn(compute, &j, (int64_t)j.p.memory * 1024);
	forget(j.password, &secret);
	TRY(kind);
	made.hash = write_hash(&j, a);
	made.scram = scram_verifier_text(&j.scram, a);
	/* As typed, not prepared: APOP clients hash the octets they were given. */
	if (recoverable)
		TRY(seal(postoffice, password, a, &made.recoverable));
	*out = made;
	return ST_OK;
}

status auth_hash_check(slice hash, slice password)
{
	arena secret = ARENA_INIT, parts = ARENA_INIT;
	struct hash_job j = {.p = wanted_parameters(), .salt = S("nobody has this salt")};
	slice wanted = {0};
	status kind = ST_OK;

	/* Nobody's password is that long: no work, and the same for every name. */
	if (password.size > AUTH_PASSWORD_MOST)
		return ST_DENIED;
	if (hash.size > 0)
		kind = read_hash(hash, &parts, &j, &wanted);
	if (kind == ST_OK) {
		j.password = prepared_or_raw(password, &secret);
		kind = in_turn(compute, &j, (int64_t)j.p.memory * 1024);
		forget(j.password, &secret);
	}
	bool right = kind == ST_OK && hash.size > 0 && secret_same(wanted, slice_of(j.out, HASH));
	arena_release(&parts);
	TRY(kind);
	return right ? ST_OK : ST_DENIED;
}

bool auth_hash_outdated(slice hash)
{
	struct parameters p, wanted = wanted_parameters();
	slice rest;
	return !read_parameters(hash, &p, &rest) || p.memory < wanted.memory ||
	       p.passes < wanted.passes || p.lanes != wanted.lanes;
}
