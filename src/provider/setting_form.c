/* The forms of settings; see setting_form.h. Names and addresses are read by the rooms that know
   them; network addresses by inet_pton, as src/net is no floor below: a test holds both readers
   together. */
#include "provider/setting_form.h"

#include "mail/address.h"
#include "provider/dnsbl_service.h"
#include "provider/folder_first.h"
#include "provider/milter_service.h"
#include "provider/postoffice.h"
#include "provider/setting_parse.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#define NAME_SERVERS_MOST 6 /* as net/dns.h takes (DNS_SERVERS_MOST) */
#define RETRY_LEAST USEC_S
#define RETRY_MOST (90 * 86400 * USEC_S)

/* ---- words out of those that the row allows */

static bool fits_words(
	const struct setting_row *row, slice one, slice before, arena *a, slice *normal)
{
	slice rest = slice_z(row->least), word;

	(void)a;
	while (slice_take(&rest, '|', &word)) {
		if (slice_same_nocase(word, one)) {
			*normal = word;
			return !setting_list_has(before, one);
		}
	}
	return false;
}

static bool fits_signs(
	const struct setting_row *row, slice one, slice before, arena *a, slice *normal)
{
	(void)before, (void)a, (void)normal;
	for (size_t i = 0; i < one.size; i++)
		if (!strchr(row->least, one.at[i]))
			return false;
	return true;
}

/* "%NAME%" is one of the row's; a percent sign alone is itself. */
static bool fits_template(
	const struct setting_row *row, slice one, slice before, arena *a, slice *normal)
{
	(void)before, (void)normal;
	for (size_t i = 0; i < one.size; i++) {
		size_t end = i + 1;
		slice ignored;

		if (one.at[i] < ' ' || one.at[i] > '~')
			return false;
		while (one.at[i] == '%' && end < one.size && isalpha((unsigned char)one.at[end]))
			end++;
		if (end == i + 1 || end == one.size || one.at[end] != '%')
			continue;
		if (!fits_words(row, slice_of(one.at + i + 1, end - i - 1), S(""), a, &ignored))
			return false;
		i = end;
	}
	return true;
}

/* ---- hosts and networks */

static bool is_address(int family, slice s)
{
	char z[64];
	uint8_t raw[16];

	if (s.size >= sizeof z)
		return false;
	memcpy(z, s.at, s.size);
	z[s.size] = '\0';
	return inet_pton(family, z, raw) == 1;
}

static bool is_port(slice s)
{
	uint64_t port;

	return slice_number(s, &port) && port > 0 && port <= UINT16_MAX;
}

/* "192.0.2.*": stars may stand for the last octets only. */
static bool is_starred(slice s)
{
	char z[64];
	size_t i = s.size;

	if (s.size >= sizeof z)
		return false;
	memcpy(z, s.at, s.size);
	for (; i > 1 && z[i - 1] == '*' && z[i - 2] == '.'; i -= 2)
		z[i - 1] = '0';
	return is_address(AF_INET, slice_of(z, s.size));
}

static bool is_network(slice s)
{
	size_t slash = slice_find(s, '/');
	slice base = slice_until(s, slash);
	uint64_t bits;

	if (slash == s.size)
		return slice_same(s, S("*")) || is_starred(s) || is_address(AF_INET6, s);
	return slice_number(slice_from(s, slash + 1), &bits) &&
	       ((bits <= 32 && is_address(AF_INET, base)) ||
		       (bits <= 128 && is_address(AF_INET6, base)));
}

static bool fits_networks(
	const struct setting_row *row, slice one, slice before, arena *a, slice *normal)
{
	(void)row, (void)before, (void)a, (void)normal;
	return is_network(one);
}

/* At most one of each family. */
static bool fits_addresses(
	const struct setting_row *row, slice one, slice before, arena *a, slice *normal)
{
	int family = is_address(AF_INET6, one) ? AF_INET6 : AF_INET;
	slice word;

	(void)row, (void)a, (void)normal;
	while (slice_take(&before, ' ', &word))
		if (is_address(family, word))
			return false;
	return is_address(family, one);
}

/* "192.0.2.1:53", "[2001:db8::1]:53"; a port alone or behind a star where `any` address will do. */
static bool is_endpoint(slice s, bool any)
{
	size_t colon = slice_find_last(s, ':');
	slice host = slice_until(s, colon);

	if (colon == s.size)
		return any && is_port(s);
	if (!is_port(slice_from(s, colon + 1)))
		return false;
	if (host.size > 2 && host.at[0] == '[' && host.at[host.size - 1] == ']')
		return is_address(AF_INET6, slice_of(host.at + 1, host.size - 2));
	return is_address(AF_INET, host) || (any && slice_same(host, S("*")));
}

bool setting_is_endpoint(slice written)
{
	return is_endpoint(written, true);
}

/* Who would listen twice finds the port taken. */
static bool fits_endpoints(
	const struct setting_row *row, slice one, slice before, arena *a, slice *normal)
{
	(void)row, (void)a, (void)normal;
	return is_endpoint(one, true) && !setting_list_has(before, one);
}

static bool fits_name_servers(
	const struct setting_row *row, slice one, slice before, arena *a, slice *normal)
{
	slice word;
	int count = 1;

	(void)row, (void)a, (void)normal;
	while (slice_take(&before, ' ', &word))
		count += word.size > 0;
	if (count > NAME_SERVERS_MOST)
		return false;
	if (one.size > 2 && one.at[0] == '[' && one.at[one.size - 1] == ']')
		return is_address(AF_INET6, slice_of(one.at + 1, one.size - 2));
	return is_address(AF_INET, one) || is_address(AF_INET6, one) || is_endpoint(one, false);
}

static bool fits_host(
	const struct setting_row *row, slice one, slice before, arena *a, slice *normal)
{
	slice shown;

	(void)row, (void)before;
	return mail_domain_parse(one, a, normal, &shown) == ST_OK;
}

static bool fits_hello(
	const struct setting_row *row, slice one, slice before, arena *a, slice *normal)
{
	bool literal;

	(void)row, (void)before;
	return mail_host_parse(one, a, normal, &literal) == ST_OK;
}

/* What masks are held against may be an address literal too. */
static bool fits_masks(
	const struct setting_row *row, slice one, slice before, arena *a, slice *normal)
{
	(void)row, (void)before, (void)a, (void)normal;
	for (size_t i = 0; i < one.size; i++)
		if (!isalnum((unsigned char)one.at[i]) && !strchr("-_.*[]:", one.at[i]))
			return false;
	return true;
}

/* ---- services beside this one */

static bool fits_dnsbls(
	const struct setting_row *row, slice one, slice before, arena *a, slice *normal)
{
	struct dnsbl_service service;
	slice value;

	(void)row, (void)before, (void)a, (void)normal;
	if (dnsbl_service_parse(one, &service) != ST_OK ||
		(service.server.size > 0 &&
			(!is_network(service.server) ||
				slice_find(service.server, '/') < service.server.size ||
				slice_find(service.server, '*') < service.server.size)))
		return false;
	while (slice_take(&service.values, ',', &value))
		if (!is_network(value))
			return false;
	return true;
}

static bool fits_milters(
	const struct setting_row *row, slice one, slice before, arena *a, slice *normal)
{
	struct milter_service service;

	(void)row, (void)before, (void)a, (void)normal;
	return milter_service_parse(one, &service) == ST_OK;
}

/* ---- other words */

static bool fits_times(
	const struct setting_row *row, slice one, slice before, arena *a, slice *normal)
{
	int64_t span;

	(void)row, (void)before, (void)a, (void)normal;
	return setting_parse(SK_SPAN, one, &span) == ST_OK && span >= RETRY_LEAST &&
	       span <= RETRY_MOST;
}

static bool fits_mail_address(
	const struct setting_row *row, slice one, slice before, arena *a, slice *normal)
{
	mail_address m;

	(void)row, (void)before;
	if (mail_address_parse(one, a, &m) != ST_OK)
		return false;
	*normal = mail_address_text(&m, a);
	return true;
}

static bool fits_postoffice(
	const struct setting_row *row, slice one, slice before, arena *a, slice *normal)
{
	(void)row, (void)before;
	return postoffice_name(one, a, normal) == ST_OK;
}

/* Mail knows the others by what they mean. */
static bool fits_field(
	const struct setting_row *row, slice one, slice before, arena *a, slice *normal)
{
	static const char *const taken[] = {"Received", "Return-Path", "From", "Sender", "Reply-To",
		"To", "Cc", "Bcc", "Subject", "Date", "Message-ID", "In-Reply-To", "References",
		"MIME-Version", "DKIM-Signature", "Delivered-To", "Authentication-Results"};
	bool fine = !slice_starts_nocase(one, S("Content-")) &&
		    !slice_starts_nocase(one, S("Resent-")) && !slice_starts_nocase(one, S("ARC-"));

	(void)row, (void)before, (void)a, (void)normal;
	for (size_t i = 0; i < one.size; i++)
		fine &= isalnum((unsigned char)one.at[i]) || one.at[i] == '-';
	for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
		fine &= !slice_same_nocase(one, slice_z(taken[i]));
	return fine;
}

/* What is relative would be so to wherever a worker stands. */
static bool fits_file(
	const struct setting_row *row, slice one, slice before, arena *a, slice *normal)
{
	(void)row, (void)before, (void)a, (void)normal;
	return one.at[0] == '/' && one.at[one.size - 1] != '/';
}

/* A scheme and what it is about (RFC 3986 3); RFC 5464 6.2.1.1 wants one. */
static bool fits_uri(
	const struct setting_row *row, slice one, slice before, arena *a, slice *normal)
{
	size_t colon = slice_find(one, ':');

	(void)row, (void)before, (void)a, (void)normal;
	for (size_t i = 0; i < one.size; i++) {
		unsigned char c = (unsigned char)one.at[i];

		if (c <= ' ' || c > '~' || strchr("<>\"{}|\\^`", c))
			return false;
		if (i < colon && !isalnum(c) && (i == 0 || !strchr("+-.", c)))
			return false;
	}
	return isalpha((unsigned char)one.at[0]) && colon + 1 < one.size;
}

static bool fits_folders(
	const struct setting_row *row, slice one, slice before, arena *a, slice *normal)
{
	(void)row;
	return folder_first_fits(one, before, a, normal);
}

const struct setting_form setting_forms[SETTING_KINDS] = {
	[SK_BOOL] = {"on or off", ALONE, NULL},
	[SK_COUNT] = {"a number", ALONE, NULL},
	[SK_SIZE] = {"a size", ALONE, NULL},
	[SK_SPAN] = {"a time", ALONE, NULL},
	[SK_TEXT] = {"a text", ALONE, NULL},
	[SK_WORD] = {"one of", ALONE, fits_words},
	[SK_WORDS] = {"words out of", COMMAS, fits_words},
	[SK_SIGNS] = {"signs out of", ALONE, fits_signs},
	[SK_TEMPLATE] = {"an ASCII text that may hold", ALONE, fits_template},
	[SK_NETWORKS] = {"a list of networks such as 192.0.2.0/24, 2001:db8::/32 or *", COMMAS,
		fits_networks},
	[SK_ADDRESSES] =
		{"addresses such as 192.0.2.1 or 2001:db8::1, at most one of either family", COMMAS,
			fits_addresses},
	[SK_ENDPOINTS] =
		{"a list of endpoints such as *:25, 192.0.2.1:25 or [2001:db8::1]:25, each once",
			COMMAS, fits_endpoints},
	[SK_NAME_SERVERS] = {"a list of at most 6 addresses such as 192.0.2.53, 127.0.0.1:5353 or "
			     "[2001:db8::1]:53",
		COMMAS, fits_name_servers},
	[SK_HOST] = {"a host name such as mail.example.org", ALONE, fits_host},
	[SK_HOSTS] = {"a list of host names such as mail.example.org", COMMAS, fits_host},
	[SK_HELLO] = {"a host name or address literal such as mail.example.org or [192.0.2.1]",
		ALONE, fits_hello},
	[SK_MASKS] = {"a list of masks of host names such as mail.example.org or *.example.org",
		COMMAS, fits_masks},
	[SK_DNSBLS] =
		{"a list of services such as bl.example.org, bl.example.org:2, bl.example.org/TXT or "
		 "bl.example.org=127.0.0.2,127.0.0.8/29:3",
			BLANKS, fits_dnsbls},
	[SK_MILTERS] =
		{"a list of milters such as unix:/run/opendkim/opendkim.sock,at=*:2525, "
		 "inet:8891@127.0.0.1,name=dkim,default=accept or inet6:11332@::1,connect=5s,"
		 "command=30s,end=5min,version=6",
			BLANKS, fits_milters},
	[SK_TIMES] = {"a list of times such as 15min 1h 4h, each 1s to 90d and without a blank",
		COMMAS, fits_times},
	[SK_MAIL_ADDRESS] = {"a mail address such as postmaster@example.org", ALONE,
		fits_mail_address},
	[SK_POSTOFFICE] = {"the name of a post office such as demo", ALONE, fits_postoffice},
	[SK_FIELD] = {"the name of a field of its own such as X-Original-To", ALONE, fits_field},
	[SK_FILE] = {"the absolute path of a file such as /etc/pennypost/words", ALONE, fits_file},
	[SK_URI] = {"a URI such as mailto:postmaster@example.org", ALONE, fits_uri},
	[SK_FOLDERS] =
		{"a list of folders such as Drafts=\\Drafts or Projects, each name once and not INBOX, "
		 "each of \\All, \\Archive, \\Drafts, \\Flagged, \\Junk, \\Sent and \\Trash at most "
		 "once",
			ITEMS, fits_folders},
};

static slice value_form(const struct setting_row *row, arena *a)
{
	slice is = slice_z(setting_forms[row->kind].is), rest = slice_z(row->least), word;
	const char *sign = row->kind == SK_TEMPLATE ? "%" : "", *between = " ";

	switch (row->kind) {
	case SK_COUNT:
	case SK_SIZE:
	case SK_SPAN:
		return arena_format(a, "%.*s, %s to %s", SLICE_ARGS(is), row->least, row->most);
	case SK_SIGNS:
		return arena_format(a, "%.*s %s", SLICE_ARGS(is), row->least);
	case SK_WORD:
	case SK_WORDS:
	case SK_TEMPLATE:
		for (; slice_take(&rest, '|', &word); between = ", ")
			is = arena_format(a, "%.*s%s%s%.*s%s", SLICE_ARGS(is), between, sign,
				SLICE_ARGS(word), sign);
		return is;
	default:
		return is;
	}
}

slice setting_form(enum setting_id id, arena *a)
{
	static const char *const between[] = {[ALONE] = "",
		[BLANKS] = "; blanks between them",
		[COMMAS] = "; blanks or commas between them",
		[ITEMS] = "; commas between them"};
	const struct setting_row *row = &setting_rows[id];

	return arena_format(a, "%.*s%s", SLICE_ARGS(value_form(row, a)),
		between[setting_forms[row->kind].list]);
}
