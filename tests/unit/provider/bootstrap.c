#include "provider/bootstrap.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
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
