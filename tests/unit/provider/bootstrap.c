#include "provider/bootstrap.h"

#include "base/log.h"
#include "base/text.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static char path[64];

static status reading(const char *words, arena *a, struct bootstrap *b)
{
	snprintf(path, sizeof path, "/tmp/pennypost-bootstrap-%d", (int)getpid());
	FILE *f = fopen(path, "w");
	cr_assert(f);
	fputs(words, f);
	fclose(f);
	status kind = bootstrap_read(path, a, b);
	unlink(path);
	return kind;
}

Test(bootstrap, reads_keys_and_fills_in_the_rest)
{
	arena a = ARENA_INIT;
	struct bootstrap b;
	cr_assert(
		reading("# where things are\n\n  pguri = postgresql://pennypost_run:se'cret@db/mail?sslmode=require \r\n"
			"node=one\nstate = /var/lib/x y",
			&a, &b) == ST_OK);
	cr_expect(slice_same(
		b.pguri, S("postgresql://pennypost_run:se'cret@db/mail?sslmode=require")));
	cr_expect(slice_same(b.node, S("one")) && slice_same(b.state, S("/var/lib/x y")));
	cr_expect(slice_search(b.pguri_system, S("user='pennypost_system'")) < b.pguri_system.size);
	cr_expect(slice_search(b.pguri_system, S("pennypost_run")) == b.pguri_system.size);
	cr_expect(slice_search(b.pguri_system, S("password='se\\'cret'")) < b.pguri_system.size);
	cr_expect(slice_search(b.pguri_system, S("sslmode='require'")) < b.pguri_system.size);
	cr_expect(slice_same(b.secret_file, S("/tmp/secret")), "beside the file");
	cr_expect(b.pguri_owner.size == 0 && b.user.size == 0);
	cr_expect(b.pguri_news.size == 0 && slice_same(b.prepare, S("yes")));
	arena_release(&a);
}

/* Every key that the sample shows is one, also those that stand behind a #, and none is left
   out. */
Test(bootstrap, reads_the_sample)
{
	static const char *const known[] = {
#define BOOTSTRAP_KEY(name, sentence) "\n" #name " = ",
#include "provider/bootstrap_keys.def"
#undef BOOTSTRAP_KEY
	};
	arena a = ARENA_INIT;
	struct bootstrap b;
	text words = TEXT_INIT;
	char sample[4096], line[256];
	const char *top = getenv("PENNYPOST_TOP_SRCDIR");
	snprintf(sample, sizeof sample, "%s/contrib/pennypost.conf.sample", top ? top : ".");
	cr_assert(bootstrap_read(sample, &a, &b) == ST_OK, "%s", sample);
	cr_expect(slice_same(b.user, S("pennypost")));
	cr_expect(b.pguri_owner.size == 0 && b.services.size == 0);

	FILE *f = fopen(sample, "r");
	cr_assert(f);
	while (fgets(line, sizeof line, f)) {
		bool key = line[0] == '#' && line[1] >= 'a' && line[1] <= 'z';
		text_add_z(&words, key ? line + 1 : line);
	}
	fclose(f);
	cr_assert(reading(arena_z(&a, text_slice(&words)), &a, &b) == ST_OK);
	cr_expect(b.pguri_news.size > 0 && slice_same(b.prepare, S("no")));
	cr_expect(b.pguri_owner.size > 0 && b.services.size > 0 && b.node.size > 0);
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		cr_expect(slice_search(text_slice(&words), slice_z(known[i])) < words.size, "no%s",
			known[i]);
	text_free(&words);
	arena_release(&a);
}

Test(bootstrap, refuses_what_it_does_not_understand)
{
	static const char *const rows[] = {
		"",
		"node = one\n",
		"pguri = postgresql://a@b/c\nnode\n",
		"pguri = postgresql://a@b/c\nnodes = one\n",
		"pguri = postgresql://a@b/c\nnode = one\nnode = two\n",
		"pguri = postgresql://a@[b/c\n",
		"pguri = postgresql://a@b/c\npguri_owner = host='\n",
		"pguri = postgresql://a@b/c\npguri_news = host='\n",
		"pguri = postgresql://a@b/c\nprepare = sometimes\n",
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		arena a = ARENA_INIT;
		struct bootstrap b;
		cr_expect(reading(rows[i], &a, &b) == ST_INVALID, "%s", rows[i]);
		arena_release(&a);
	}
}

Test(bootstrap, a_file_that_is_not_there_is_absent)
{
	arena a = ARENA_INIT;
	struct bootstrap b;
	cr_expect(bootstrap_read("/nonexistent/pennypost.conf", &a, &b) == ST_ABSENT);
	setenv("PENNYPOST_CONF", "/nonexistent/other.conf", 1);
	cr_expect(bootstrap_read(NULL, &a, &b) == ST_ABSENT);
	arena_release(&a);
}

/* What reading a file of this mode and this URI writes into the log. */
static bool warns(mode_t mode, const char *uri)
{
	arena a = ARENA_INIT;
	struct bootstrap b;
	char words[4096] = "";
	int log = memfd_create("log", MFD_CLOEXEC);

	snprintf(path, sizeof path, "/tmp/pennypost-bootstrap-%d", (int)getpid());
	FILE *f = fopen(path, "w");
	cr_assert(f);
	fprintf(f, "pguri = %s\n", uri);
	fclose(f);
	cr_assert_eq(chmod(path, mode), 0);
	log_open(&(struct log_target){.fd = log, .least = LOG_WARN_LEVEL, .role = "test"});
	cr_expect_eq(bootstrap_read(path, &a, &b), ST_OK);
	log_close();
	unlink(path);
	cr_assert(pread(log, words, sizeof words - 1, 0) >= 0);
	cr_expect_null(strstr(words, "se-cret"));
	close(log);
	arena_release(&a);
	return strstr(words, "BOOTSTRAP_OPEN") && strstr(words, path);
}

Test(bootstrap, warns_of_passwords_that_everybody_may_read)
{
	const char *with = "postgresql://pennypost_run:se-cret@db/mail";
	cr_expect(warns(0644, with));
	cr_expect(warns(0604, "host=db user=pennypost_run password=se-cret"));
	cr_expect_not(warns(0640, with));
	cr_expect_not(warns(0600, with));
	cr_expect_not(warns(0644, "postgresql:///mail?host=/run/postgresql"));
}

/* What a file of this one line writes into the log. */
static void complaint(const char *line, char *words, size_t room)
{
	arena a = ARENA_INIT;
	struct bootstrap b;
	int log = memfd_create("log", MFD_CLOEXEC);

	log_open(&(struct log_target){.fd = log, .least = LOG_WARN_LEVEL, .role = "test"});
	cr_expect_eq(reading(line, &a, &b), ST_INVALID);
	log_close();
	ssize_t got = pread(log, words, room - 1, 0);
	cr_assert(got >= 0);
	words[got] = 0;
	close(log);
	arena_release(&a);
}

Test(bootstrap, names_the_key_that_is_none)
{
	char words[4096];

	complaint("pgurl = postgresql://run:se-cret@db/mail", words, sizeof words);
	cr_expect(strstr(words, "no such key pgurl; did you mean pguri? known are pguri "));
	complaint("colour = red", words, sizeof words);
	cr_expect(strstr(words, "no such key colour; known are pguri "));
	/* The key is forgotten, and what stands before the = may be a password. */
	complaint("postgresql://run:se-cret@db/mail?sslmode=require", words, sizeof words);
	cr_expect(strstr(words, "no such key; known are pguri "));
	cr_expect_null(strstr(words, "se-cret"));
}
