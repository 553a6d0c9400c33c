/* TLS-RPT: the first line is a TXT record, the rest words of others in a report. Targets are within
   their bounds, and a report keeps its form whatever stands in it. */
#include "mail/tls_report.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int ok)
{
	if (!ok)
		abort();
}

static void check_record(slice txt, arena *a)
{
	struct tls_report_target to[TLS_REPORT_TARGETS_MOST];
	int n;

	if (tls_report_record(&txt, 1, a, to, &n) != ST_OK)
		return;
	must(n > 0 && n <= TLS_REPORT_TARGETS_MOST);
	for (int i = 0; i < n; i++) {
		must((to[i].address.size > 0) != (to[i].host.size > 0));
		must(to[i].host.size == 0 ||
			(to[i].port > 0 && to[i].path.size > 0 && to[i].path.at[0] == '/'));
		must(slice_find(to[i].path, '\r') == to[i].path.size &&
			slice_find(to[i].path, ' ') == to[i].path.size);
	}
}

/* Brackets outside of strings come in pairs, and no string holds a control. */
static void check_form(slice json)
{
	bool inside = false;
	int depth = 0;

	for (size_t i = 0; i < json.size; i++) {
		char c = json.at[i];

		must(!inside || (unsigned char)c >= 0x20);
		if (inside && c == '\\')
			i++;
		else if (c == '"')
			inside = !inside;
		else if (!inside && (c == '{' || c == '['))
			depth++;
		else if (!inside && (c == '}' || c == ']'))
			must(--depth >= 0);
	}
	must(!inside && depth == 0);
}

static void check_report(slice words, arena *a)
{
	struct tls_report_failure f = {words, words, words, words, 1};
	struct tls_report_policy p = {S("sts"), words, words, &words, 1, 2, 1, &f, 1};
	struct tls_report r = {words, words, words, S("example.test"), 0, 86399 * USEC_S, &p, 1};
	struct tls_report_mail m = {&r, S("mail.demo.test"), S("a@demo.test"), S("b@example.test"),
		S("<1@demo.test>"), 0};
	slice mail;

	check_form(tls_report_json(&r, a));
	if (tls_report_compose(&m, a, &mail) == ST_OK)
		must(tls_report_is_waived(mail));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	arena a = ARENA_INIT;
	slice rest = slice_of(data, size), txt;

	slice_take(&rest, '\n', &txt);
	check_record(txt, &a);
	check_report(rest, &a);
	tls_report_is_waived(rest);
	arena_release(&a);
	return 0;
}
