/* Previews of messages: what a reader glances at. */
#include "mail/preview.h"

#include <criterion/criterion.h>

static void check(slice message, const char *wanted)
{
	arena a = ARENA_INIT;
	slice made = preview_make(message, &a);

	cr_assert(slice_same(made, slice_z(wanted)), "%.*s", SLICE_ARGS(made));
	arena_release(&a);
}

Test(preview, shows_the_first_text)
{
	static const char *const rows[][2] = {
		{"", ""},
		{"Subject: x\r\n\r\n", ""},
		{"\r\n  one\r\n\r\ntwo \t three \r\n", "one two three"},
		{"\r\n> said\r\n>> before\r\nyes\r\n", "yes"},
		{"Content-Type: text/html\r\n\r\n<title>no</title><p>a<i>b</i>c<br>d &lt;&#8364;&gt; &am",
			"abc d <\xe2\x82\xac> &am"},
		{"Content-Type: text/html\r\n\r\n<script>if (a < b) { }", ""},
		{"Content-Type: text/html\r\n\r\n<!-- > hidden --><p>shown &#x110000; &#0; &#xd800;",
			"shown \xef\xbf\xbd &#0; \xef\xbf\xbd"},
		{"Content-Type: text/html\r\n\r\na<", "a"},
		{"Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n"
		 "page\r\n--b\r\n\r\nplain\r\n--b--\r\n",
			"plain"},
		{"Content-Type: text/plain\r\nContent-Disposition: attachment\r\n\r\nno", ""},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		check(slice_z(rows[i][0]), rows[i][1]);
}

Test(preview, is_never_longer_than_allowed)
{
	char page[4000] = "\r\n";
	arena a = ARENA_INIT;

	for (size_t i = 2; i < sizeof page; i++)
		page[i] = i % 3 ? 'x' : ' ';
	cr_assert_eq(preview_make(slice_of(page, sizeof page), &a).size, PREVIEW_MOST);
	arena_release(&a);
}
