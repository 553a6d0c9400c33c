/* Another system that takes all mail and keeps none, as cheap as can be: one process, one loop.
   What senders cost is measured against it.

     sink PORT FILE [MILLISECONDS]

   Listens on PORT of every IPv4 address, so that 127.0.1.7 and 127.0.1.8 are two hosts. FILE holds
   two numbers of 64 bits that rise: messages taken, and connections. With MILLISECONDS the answer
   to each text comes so late, as a distant system's would. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ROOM 65536
#define HELLO                                                                                      \
	"250-sink.test\r\n250-PIPELINING\r\n250-SIZE 100000000\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n"

struct peer {
	int fd;
	bool text;
	size_t have, said;
	int64_t late;      /* when the answer to a text is due; 0: none */
	struct peer *next; /* of those that wait for one, the first due first */
	char in[ROOM], out[4096];
};

static struct {
	int loop;
	uint64_t *count;
	int64_t delay; /* milliseconds */
	struct peer *first, **last;
} sink = {.last = &sink.first};

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void say(struct peer *p, const char *words)
{
	size_t size = strlen(words);

	if (p->said + size <= sizeof p->out) {
		memcpy(p->out + p->said, words, size);
		p->said += size;
	}
}

static void speak(struct peer *p)
{
	if (p->said && send(p->fd, p->out, p->said, MSG_NOSIGNAL) < 0)
		shutdown(p->fd, SHUT_RDWR);
	p->said = 0;
}

static bool begins(const char *line, const char *word)
{
	return strncasecmp(line, word, strlen(word)) == 0;
}

/* false: QUIT. */
static bool command(struct peer *p, const char *line)
{
	if (begins(line, "EHLO"))
		say(p, HELLO);
	else if (begins(line, "QUIT"))
		say(p, "221 2.0.0 bye\r\n");
	else if (begins(line, "DATA")) {
		say(p, "354 go on\r\n");
		p->text = true;
	} else
		say(p, "250 2.0.0 ok\r\n");
	return !begins(line, "QUIT");
}

static void text_taken(struct peer *p)
{
	p->text = false;
	if (sink.delay == 0) {
		sink.count[0]++;
		say(p, "250 2.0.0 taken\r\n");
		return;
	}
	p->late = now() + sink.delay;
	p->next = NULL;
	*sink.last = p;
	sink.last = &p->next;
}

/* The end of a text, or what is kept until more has come. */
static size_t text_look(struct peer *p, size_t at)
{
	char *end = memmem(p->in + at, p->have - at, "\r\n.\r\n", 5);

	if (end) {
		text_taken(p);
		return (size_t)(end - p->in) + 5;
	}
	return p->have - at > 4 ? p->have - 4 : at;
}

/* Everything that has come; false: the talk is over. */
static bool look(struct peer *p)
{
	size_t at = 0;

	while (at < p->have && !p->late) {
		if (p->text) {
			size_t after = text_look(p, at);
			bool ended = !p->text;

			at = after;
			if (!ended)
				break;
			continue;
		}
		char *end = memchr(p->in + at, '\n', p->have - at);
		if (!end)
			break;
		if (!command(p, p->in + at)) {
			speak(p);
			return false;
		}
		at = (size_t)(end - p->in) + 1;
	}
	memmove(p->in, p->in + at, p->have - at);
	p->have -= at;
	speak(p);
	return true;
}

static void hang_up(struct peer *p)
{
	for (struct peer **at = &sink.first; *at; at = &(*at)->next)
		if (*at == p) {
			*at = p->next;
			if (!*at)
				sink.last = at;
			break;
		}
	close(p->fd);
	free(p);
}

static void hear(struct peer *p)
{
	ssize_t n = recv(p->fd, p->in + p->have, ROOM - p->have, MSG_DONTWAIT);

	if (n <= 0 || (p->have += (size_t)n, !look(p)))
		hang_up(p);
}

static void welcome(int listener)
{
	int fd = accept(listener, NULL, NULL), on = 1;
	struct peer *p = fd < 0 ? NULL : calloc(1, sizeof *p);

	if (!p)
		return;
	p->fd = fd;
	sink.count[1]++;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	epoll_ctl(sink.loop, EPOLL_CTL_ADD, fd, &(struct epoll_event){EPOLLIN, {.ptr = p}});
	say(p, "220 sink.test ESMTP\r\n");
	speak(p);
}

static void answer_late(void)
{
	while (sink.first && sink.first->late <= now()) {
		struct peer *p = sink.first;

		sink.first = p->next;
		if (!sink.first)
			sink.last = &sink.first;
		p->late = 0;
		sink.count[0]++;
		say(p, "250 2.0.0 taken\r\n");
		if (!look(p))
			hang_up(p);
	}
}

static int listen_at(uint16_t port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) || listen(fd, 4096)) {
		perror("sink");
		exit(1);
	}
	return fd;
}

static void count_in(const char *file)
{
	int fd = open(file, O_RDWR | O_CREAT | O_TRUNC, 0644);
	void *at = MAP_FAILED;

	if (fd >= 0 && ftruncate(fd, 16) == 0)
		at = mmap(NULL, 16, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED) {
		perror(file);
		exit(1);
	}
	sink.count = at;
}

int main(int argc, char **argv)
{
	struct epoll_event ready[64];

	if (argc < 3) {
		fprintf(stderr, "usage: sink PORT FILE [MILLISECONDS]\n");
		return 64;
	}
	sink.delay = argc > 3 ? atoi(argv[3]) : 0;
	sink.loop = epoll_create1(EPOLL_CLOEXEC);
	count_in(argv[2]);
	int listener = listen_at((uint16_t)atoi(argv[1]));
	epoll_ctl(
		sink.loop, EPOLL_CTL_ADD, listener, &(struct epoll_event){EPOLLIN, {.ptr = NULL}});
	for (;;) {
		int n = epoll_wait(sink.loop, ready, 64, sink.first ? 1 : -1);

		for (int i = 0; i < n; i++)
			if (ready[i].data.ptr)
				hear(ready[i].data.ptr);
			else
				welcome(listener);
		answer_late();
	}
}
