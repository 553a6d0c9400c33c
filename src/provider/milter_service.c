/* One word of smtp_milters; see the header. */
#include "provider/milter_service.h"

#include "provider/setting_form.h"
#include "provider/setting_parse.h"

#include <arpa/inet.h>

#define NAME_MOST 60
#define PATIENCE_LEAST (100 * USEC_MS)
#define PATIENCE_MOST (3600 * USEC_S)

enum milter_default milter_default_of(slice word)
{
	return slice_same_nocase(word, S("accept"))     ? MILTER_ACCEPTS
	       : slice_same_nocase(word, S("tempfail")) ? MILTER_TEMPFAILS
	       : slice_same_nocase(word, S("reject"))   ? MILTER_REJECTS
							: MILTER_DEFAULT_NONE;
}

static bool take_prefix(slice *s, slice prefix)
{
	if (!slice_starts_nocase(*s, prefix))
		return false;
	*s = slice_from(*s, prefix.size);
	return true;
}

static bool is_address(int family, slice s)
{
	char z[64];
	uint8_t raw[16];

	if (s.size == 0 || s.size >= sizeof z)
		return false;
	memcpy(z, s.at, s.size);
	z[s.size] = '\0';
	return inet_pton(family, z, raw) == 1;
}

/* "8891@127.0.0.1" */
static bool read_inet(slice s, int family, struct milter_service *out)
{
	size_t at = slice_find(s, '@');
	uint64_t port;

	if (at == s.size || !slice_number(slice_until(s, at), &port) || port == 0 ||
		port > UINT16_MAX)
		return false;
	out->host = slice_from(s, at + 1);
	out->port = (uint16_t)port;
	return is_address(family, out->host);
}

static bool read_address(slice s, struct milter_service *out)
{
	if (take_prefix(&s, S("inet6:")))
		return read_inet(s, AF_INET6, out);
	if (take_prefix(&s, S("inet:")))
		return read_inet(s, AF_INET, out);
	if (!take_prefix(&s, S("unix:")) && !take_prefix(&s, S("local:")))
		return false;
	out->path = s;
	return s.size > 1 && s.size <= MILTER_PATH_MOST && *s.at == '/';
}

static bool is_name(slice s)
{
	for (size_t i = 0; i < s.size; i++)
		if (s.at[i] <= ' ' || s.at[i] > '~' || s.at[i] == '"')
			return false;
	return s.size > 0 && s.size <= NAME_MOST;
}

static bool read_patience(slice s, usec *out)
{
	return setting_parse(SK_SPAN, s, out) == ST_OK && *out >= PATIENCE_LEAST &&
	       *out <= PATIENCE_MOST;
}

static bool read_endpoint(slice s, struct milter_service *out)
{
	if (out->at_count == MILTER_ENDPOINTS_MOST || !setting_is_endpoint(s))
		return false;
	out->at[out->at_count++] = s;
	return true;
}

static bool read_option(slice option, struct milter_service *out)
{
	size_t equals = slice_find(option, '=');
	slice name = slice_until(option, equals), value = slice_from(option, equals + 1);
	uint64_t version;

	if (slice_same(name, S("name"))) {
		out->name = value;
		return is_name(value);
	}
	if (slice_same(name, S("at")))
		return read_endpoint(value, out);
	if (slice_same(name, S("connect")))
		return read_patience(value, &out->connect);
	if (slice_same(name, S("command")))
		return read_patience(value, &out->command);
	if (slice_same(name, S("end")))
		return read_patience(value, &out->end);
	if (slice_same(name, S("default"))) {
		out->otherwise = milter_default_of(value);
		return out->otherwise != MILTER_DEFAULT_NONE;
	}
	if (!slice_same(name, S("version")) || !slice_number(value, &version) || version < 2 ||
		version > 6)
		return false;
	out->version = (unsigned)version;
	return true;
}

status milter_service_parse(slice word, struct milter_service *out)
{
	struct milter_service s = {.version = 6};
	slice part;

	slice_take(&word, ',', &part);
	s.name = part;
	if (!read_address(part, &s))
		return ST_INVALID;
	while (word.at && slice_take(&word, ',', &part))
		if (!read_option(part, &s))
			return ST_INVALID;
	*out = s;
	return ST_OK;
}
