/* See milter_at.h. */
#include "connector/smtp/milter_at.h"

#include "base/text.h"

#include <string.h>

/* "0.0.0.0:25" and "[::]:25" listen at all addresses of their family. */
static bool is_any(const net_address *door)
{
	static const uint8_t zero[sizeof door->ip];

	return memcmp(door->ip, zero, sizeof zero) == 0;
}

static bool is_same_ip(const net_address *a, const net_address *b)
{
	return memcmp(a->ip, b->ip, a->family == 4 ? 4 : sizeof a->ip) == 0;
}

static bool is_at(slice written, const net_address *at)
{
	net_address door;

	if (net_endpoint_parse(written, &door) != ST_OK || door.port != at->port)
		return false;
	return door.family == 0 ||
	       (door.family == at->family && (is_any(&door) || is_same_ip(&door, at)));
}

bool milter_at_has(const struct milter_service *s, const net_address *at)
{
	for (int i = 0; i < s->at_count; i++)
		if (is_at(s->at[i], at))
			return true;
	return s->at_count == 0;
}

/* ---- those that are nowhere */

static const struct {
	enum setting_id milters, listen[2];
	const char *names;
} services[] = {
	{S_smtp_milters, {S_smtp_listen, S_smtp_listen}, "smtp_listen"},
	{S_submission_milters, {S_submission_listen, S_submissions_listen},
		"submission_listen and submissions_listen"},
};

/* A connection to one of the endpoints may have come there, as far as can be told without the
   addresses of all nodes. */
static bool is_somewhere(slice written, slice endpoints)
{
	net_address at, door;
	slice one;

	if (net_endpoint_parse(written, &at) != ST_OK)
		return false;
	while (slice_take(&endpoints, ' ', &one)) {
		if (one.size == 0 || net_endpoint_parse(one, &door) != ST_OK ||
			door.port != at.port)
			continue;
		if (at.family == 0 || door.family == 0 ||
			(at.family == door.family &&
				(is_any(&at) || is_any(&door) || is_same_ip(&at, &door))))
			return true;
	}
	return false;
}

static slice lost_of(slice milters, slice endpoints, arena *a)
{
	struct milter_service s;
	text lost = TEXT_INIT;
	slice word;

	while (slice_take(&milters, ' ', &word)) {
		if (word.size == 0 || milter_service_parse(word, &s) != ST_OK)
			continue;
		for (int i = 0; i < s.at_count; i++)
			if (!is_somewhere(s.at[i], endpoints))
				text_format(&lost, "%s%.*s,at=%.*s", lost.size ? " " : "",
					SLICE_ARGS(s.name), SLICE_ARGS(s.at[i]));
	}
	slice written = lost.size ? arena_copy(a, text_slice(&lost)) : S("");
	text_free(&lost);
	return written;
}

bool milter_at_find_lost(enum setting_id changed, arena *a, struct milter_at_lost *out)
{
	for (size_t i = 0; i < sizeof services / sizeof *services; i++) {
		enum setting_id one = services[i].listen[0], other = services[i].listen[1];

		if (changed != services[i].milters && changed != one && changed != other)
			continue;
		slice endpoints = setting_text(one, NULL);
		if (other != one)
			endpoints = arena_format(a, "%.*s %.*s", SLICE_ARGS(endpoints),
				SLICE_ARGS(setting_text(other, NULL)));
		*out = (struct milter_at_lost){
			lost_of(setting_text(services[i].milters, NULL), endpoints, a),
			services[i].names, endpoints};
		return out->milters.size > 0;
	}
	return false;
}
