/* The loop every protocol runs around a SASL mechanism; see sasl.h. */
#include "provider/sasl.h"

#include "base/encode.h"

static status steps(
	sasl *s, const slice *initial, const struct sasl_talk *talk, arena *a, struct identity *who)
{
	slice answer, out = {0};
	const slice *in = initial;
	for (bool done = false;;) {
		TRY(sasl_step(s, in, a, &out, &done, who));
		if (done)
			break;
		TRY(talk->ask(talk->arg, out, &answer));
		in = &answer;
	}
	if (out.size == 0)
		return ST_OK;
	TRY(talk->ask(talk->arg, out, &answer));
	return answer.size == 0 ? ST_OK : ST_INVALID;
}

status sasl_initial(slice word, arena *a, slice *raw)
{
	if (slice_same(word, S("="))) {
		*raw = S("");
		return ST_OK;
	}
	return base64_decode(word, a, raw);
}

status sasl_exchange(
	sasl *s, const slice *initial, const struct sasl_talk *talk, arena *a, struct identity *who)
{
	status kind = steps(s, initial, talk, a, who);
	if (kind != ST_OK)
		sasl_abort(s);
	return kind;
}
