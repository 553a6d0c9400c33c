/* Runs a fuzz target over its corpus without libFuzzer: every file of the folders and every file
   named as an argument, each handed to the target from a heap block of exactly its size, so that a
   sanitizer sees the first byte read too far. Without arguments the corpus is
   $PENNYPOST_TOP_SRCDIR/tests/fuzz/corpus/<program name without fuzz_>. An empty corpus is an
   error: a target that runs nothing proves nothing. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned files;

static void must(int ok, const char *what, const char *path)
{
	if (ok)
		return;
	fprintf(stderr, "replay: cannot %s %s: %s\n", what, path, strerror(errno));
	exit(99);
}

static void replay_file(const char *path, size_t size)
{
	FILE *f = fopen(path, "rb");
	must(f != NULL, "open", path);
	uint8_t *bytes = malloc(size ? size : 1);
	must(bytes != NULL, "hold", path);
	must(fread(bytes, 1, size, f) == size, "read", path);
	fclose(f);
	/* A crash must name its input; stderr is not buffered. */
	fprintf(stderr, "%s\n", path);
	LLVMFuzzerTestOneInput(bytes, size);
	free(bytes);
	files++;
}

static void replay(const char *path)
{
	struct stat st;
	must(stat(path, &st) == 0, "find", path);
	if (!S_ISDIR(st.st_mode)) {
		replay_file(path, (size_t)st.st_size);
		return;
	}
	struct dirent **entries;
	int n = scandir(path, &entries, NULL, alphasort);
	must(n >= 0, "list", path);
	for (int i = 0; i < n; i++) {
		char inner[4096];
		if (entries[i]->d_name[0] != '.') {
			snprintf(inner, sizeof inner, "%s/%s", path, entries[i]->d_name);
			replay(inner);
		}
		free(entries[i]);
	}
	free(entries);
}

static void replay_own_corpus(const char *program)
{
	const char *top = getenv("PENNYPOST_TOP_SRCDIR");
	const char *base = strrchr(program, '/');
	char path[4096];

	base = base ? base + 1 : program;
	if (strncmp(base, "fuzz_", 5) == 0)
		base += 5;
	snprintf(path, sizeof path, "%s/tests/fuzz/corpus/%s", top ? top : ".", base);
	replay(path);
}

int main(int argc, char **argv)
{
	if (argc == 1)
		replay_own_corpus(argv[0]);
	for (int i = 1; i < argc; i++)
		replay(argv[i]);
	if (files == 0) {
		fprintf(stderr, "replay: no input found\n");
		return 99;
	}
	printf("%u passed, 0 failed\n", files);
	return 0;
}
