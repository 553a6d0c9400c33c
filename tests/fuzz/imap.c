/* A whole IMAP session over the in-memory providers. Whatever the client says: what is said back is
   whole (lines end with CRLF, literals are as long as they say; behind COMPRESS it unpacks to that), message numbers
   stay within what EXISTS told, and the quota equals what is stored.

   The input's first byte: bit 0 the client is logged on already, bit 1 byte by byte, bit 2 a folder
   is selected too, bit 3 IMAP4rev2 and QRESYNC are on; all else is what the client says. */
#include "session.h"

#include "provider/mailbox.h"
#include "provider/memory/memory.h"
#include "service/imap/imap.h"

#include <zlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const messages[] = {
	"Subject: one\r\nFrom: Anna <anna@demo.test>\r\nDate: Thu, 1 Jan 2026 00:00:00 +0100\r\n\r\n1\r\n",
	"Subject: gr\xfc\xdf\r\n\r\n\x80\xff no end",
	"Subject: =?utf-8?q?parts?=\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
	"--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n"
	"\r\ngr=FC=DF=\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninner\r\n"
	"--b\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC\r\n--b--\r\n",
};
#define MESSAGES (int)(sizeof messages / sizeof *messages)

static int64_t office, anna;

static void furnish(void)
{
	memory_reset();
	memory_setting("auth_default_postoffice", "demo");
	memory_setting("auth_failures_most", "1000");
	memory_setting("auth_allow_cleartext", "on");
	office = memory_postoffice("demo", "demo.test");
	anna = memory_mailbox(office, "anna", "secret-1");
	must(mailbox_set_kind(office, anna, MAILBOX_ADMIN, NULL) == ST_OK); /* SETQUOTA */
	for (int i = 0; i < MESSAGES; i++)
		memory_message(office, anna, messages[i]);
}

/* "{n}" at the end of a line: so many octets follow. */
static uint64_t announced(slice line)
{
	size_t open = slice_find_last(line, '{');
	uint64_t n = 0;

	if (line.size == 0 || line.at[line.size - 1] != '}' || open >= line.size)
		return 0;
	return slice_number(slice_from(slice_until(line, line.size - 1), open + 1), &n) ? n : 0;
}

/* One piece of an answer up to CRLF; the octets of a literal behind it are passed over. */
static bool piece_take(slice *said, slice *piece, bool *goes_on)
{
	size_t lf = slice_find(*said, '\n');

	if (said->size == 0)
		return false;
	must(lf < said->size && lf > 0 && said->at[lf - 1] == '\r');
	*piece = slice_until(*said, lf - 1);
	*said = slice_from(*said, lf + 1);
	uint64_t n = announced(*piece);
	*goes_on = n > 0 || slice_ends_nocase(*piece, S("{0}"));
	must(n <= said->size);
	*said = slice_from(*said, (size_t)n);
	return true;
}

/* Numbers stay within what was told; only outside of a folder is there none. */
static void check_untagged(slice line, uint64_t *exists)
{
	slice word = line;
	uint64_t n;
	size_t end;

	if (!slice_starts(line, S("* ")))
		return;
	word = slice_from(word, 2);
	end = slice_find(word, ' ');
	if (!slice_number(slice_until(word, end), &n))
		return;
	word = slice_from(word, end + 1);
	if (slice_starts(word, S("EXISTS"))) {
		*exists = n;
	} else if (slice_starts(word, S("EXPUNGE"))) {
		must(n >= 1 && n <= *exists);
		--*exists;
	} else if (slice_starts(word, S("FETCH"))) {
		must(n >= 1 && n <= *exists);
	}
}

static void check_vanished(slice line, uint64_t *exists)
{
	if (slice_starts(line, S("* VANISHED")))
		*exists = UINT64_MAX; /* UIDs, of which one cannot tell how many were there */
}

static void check_said(slice said)
{
	uint64_t exists = 0;
	bool goes_on = false, went_on;
	slice piece;

	must(said.size > 2);
	do {
		went_on = goes_on;
		if (!piece_take(&said, &piece, &goes_on))
			break;
		if (went_on)
			continue;
		check_vanished(piece, &exists);
		if (exists != UINT64_MAX)
			check_untagged(piece, &exists);
	} while (true);
	must(!went_on);
}

/* What an answer that says so has behind it is unpacked; what only looks like that answer is left. */
static void unpack(text *said)
{
	static const slice answer = S(" OK Packed from here on\r\n");
	slice all = text_slice(said);
	size_t at = slice_search_nocase(all, answer);
	unsigned char piece[16384];
	text plain = TEXT_INIT;
	z_stream z = {0};
	int came = Z_OK;

	if (at == all.size)
		return;
	at += answer.size;
	z.next_in = (unsigned char *)said->at + at;
	z.avail_in = (unsigned)(all.size - at);
	must(inflateInit2(&z, -MAX_WBITS) == Z_OK);
	while (came == Z_OK && (z.avail_in > 0 || z.avail_out == 0)) {
		z.next_out = piece;
		z.avail_out = sizeof piece;
		came = inflate(&z, Z_SYNC_FLUSH);
		text_add(&plain, slice_of((char *)piece, sizeof piece - z.avail_out));
	}
	inflateEnd(&z);
	if (came == Z_OK || came == Z_BUF_ERROR) {
		said->size = at;
		text_add(said, text_slice(&plain));
	}
	text_free(&plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	text said = TEXT_INIT, bytes = TEXT_INIT;

	if (size < 1)
		return 0;
	furnish();
	if (data[0] & 1)
		text_add_z(&bytes, "a LOGIN anna secret-1\r\n");
	if (data[0] & 8)
		text_add_z(&bytes, "b ENABLE IMAP4rev2 QRESYNC\r\n");
	if (data[0] & 4)
		text_add_z(&bytes, "c SELECT INBOX\r\n");
	text_add(&bytes, slice_of(data + 1, size - 1));
	session_play(SERVICE_IMAP, imap_conversation, text_slice(&bytes), data[0] & 2, &said);
	unpack(&said);
	check_said(text_slice(&said));
	must(memory_used(office, anna) == memory_sum(office, anna));
	text_free(&said);
	text_free(&bytes);
	return 0;
}
