/* Charsets by table: the names mail uses, and what iconv calls them. UTF-8 and ASCII need no
   iconv. */
#include "mail/charset.h"

#include "base/memory.h"
#include "base/text.h"
#include "base/utf8.h"

#include <errno.h>
#include <iconv.h>

#define WHOLE_UTF8 "UTF-8"
#define CONVERTER_ROOM (1 << 20) /* more than any converter takes to load */

/* Left out on purpose: UTF-7 (scripts hide in it) and the ISO-2022-CN family (CVE-2024-2961). */
static const struct charset {
	slice name;
	const char *iconv_name;
} charsets[] = {
	{S("utf-8"), WHOLE_UTF8},
	{S("utf8"), WHOLE_UTF8},
	{S("us-ascii"), NULL},
	{S("ascii"), NULL},
	{S("ansi_x3.4-1968"), NULL},
	{S("iso-8859-1"), "WINDOWS-1252"}, /* as browsers do: the C1 range is never meant */
	{S("iso8859-1"), "WINDOWS-1252"},
	{S("latin1"), "WINDOWS-1252"},
	{S("iso-8859-2"), "ISO-8859-2"},
	{S("iso-8859-3"), "ISO-8859-3"},
	{S("iso-8859-4"), "ISO-8859-4"},
	{S("iso-8859-5"), "ISO-8859-5"},
	{S("iso-8859-6"), "ISO-8859-6"},
	{S("iso-8859-7"), "ISO-8859-7"},
	{S("iso-8859-8"), "ISO-8859-8"},
	{S("iso-8859-8-i"), "ISO-8859-8"},
	{S("iso-8859-9"), "ISO-8859-9"},
	{S("iso-8859-10"), "ISO-8859-10"},
	{S("iso-8859-11"), "ISO-8859-11"},
	{S("iso-8859-13"), "ISO-8859-13"},
	{S("iso-8859-14"), "ISO-8859-14"},
	{S("iso-8859-15"), "ISO-8859-15"},
	{S("iso8859-15"), "ISO-8859-15"},
	{S("iso-8859-16"), "ISO-8859-16"},
	{S("windows-874"), "CP874"},
	{S("windows-1250"), "CP1250"},
	{S("windows-1251"), "CP1251"},
	{S("windows-1252"), "WINDOWS-1252"},
	{S("cp1252"), "WINDOWS-1252"},
	{S("cp1251"), "CP1251"},
	{S("windows-1253"), "CP1253"},
	{S("windows-1254"), "CP1254"},
	{S("windows-1255"), "CP1255"},
	{S("windows-1256"), "CP1256"},
	{S("windows-1257"), "CP1257"},
	{S("windows-1258"), "CP1258"},
	{S("koi8-r"), "KOI8-R"},
	{S("koi8-u"), "KOI8-U"},
	{S("macintosh"), "MACINTOSH"},
	{S("ibm850"), "CP850"},
	{S("cp850"), "CP850"},
	{S("ibm437"), "CP437"},
	{S("cp866"), "CP866"},
	{S("tis-620"), "TIS-620"},
	{S("iso-2022-jp"), "ISO-2022-JP"},
	{S("shift_jis"), "CP932"},
	{S("shift-jis"), "CP932"},
	{S("sjis"), "CP932"},
	{S("windows-31j"), "CP932"},
	{S("cp932"), "CP932"},
	{S("euc-jp"), "EUC-JP"},
	{S("iso-2022-kr"), "ISO-2022-KR"},
	{S("euc-kr"), "CP949"},
	{S("ks_c_5601-1987"), "CP949"},
	{S("cp949"), "CP949"},
	{S("gb2312"), "GB18030"},
	{S("gbk"), "GB18030"},
	{S("cp936"), "GB18030"},
	{S("gb18030"), "GB18030"},
	{S("big5"), "BIG5-HKSCS"},
	{S("utf-16"), "UTF-16"},
	{S("utf-16le"), "UTF-16LE"},
	{S("utf-16be"), "UTF-16BE"},
};

static const struct charset *charset_find(slice name)
{
	if (name.size == 0)
		name = S("us-ascii");
	for (size_t i = 0; i < sizeof charsets / sizeof *charsets; i++)
		if (slice_same_nocase(name, charsets[i].name))
			return &charsets[i];
	return NULL;
}

bool charset_known(slice charset)
{
	return charset_find(charset) != NULL;
}

/* Converts all of `raw`, a block at a time; bytes iconv does not take become U+FFFD, one by one.
   The last call, without input, gives what a converter kept back to join with a later accent. */
static void convert(iconv_t with, slice raw, text *out)
{
	char *in = (char *)(uintptr_t)raw.at;
	size_t left = raw.size;
	bool flushed = false;

	while (!flushed) {
		char block[1024];
		char *to = block;
		size_t room = sizeof block;
		flushed = left == 0;
		size_t done = iconv(with, flushed ? NULL : &in, flushed ? NULL : &left, &to, &room);
		int trouble = done == (size_t)-1 ? errno : 0;

		text_add(out, slice_of(block, sizeof block - room));
		if (trouble != 0 && trouble != E2BIG && left > 0) {
			utf8_add(out, 0xfffd);
			in++;
			left--;
		}
	}
}

/* gcc's analyzer takes (iconv_t)-1, which stands for no converter, for one that is lost. */
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif
static iconv_t converter(const char *name)
{
	iconv_t with = iconv_open("UTF-8", name);

	/* glibc takes a converter that it had no memory to load for one that is not there (EINVAL):
	   it is believed only while there is memory, or the text would be told wrong. */
	if (with == (iconv_t)-1 && errno != ENOMEM) {
		memory_free(memory_new(CONVERTER_ROOM));
		with = iconv_open("UTF-8", name);
	}
	if (with == (iconv_t)-1 && errno == ENOMEM)
		memory_short(0);
	return with;
}

static void by_iconv(const char *name, slice raw, text *out)
{
	iconv_t with = converter(name);

	if (with == (iconv_t)-1) { /* the system lacks this one */
		utf8_add_repaired(out, raw);
		return;
	}
	convert(with, raw, out);
	iconv_close(with);
}

status charset_to_utf8(slice charset, slice raw, arena *a, slice *utf8)
{
	const struct charset *c = charset_find(charset);
	text out = TEXT_INIT;

	if (!c)
		return ST_ABSENT;
	if (c->iconv_name && !slice_same(slice_z(c->iconv_name), S(WHOLE_UTF8)))
		by_iconv(c->iconv_name, raw, &out);
	else if (c->iconv_name || utf8_valid(raw))
		utf8_add_repaired(&out, raw);
	else
		by_iconv("WINDOWS-1252", raw, &out);
	*utf8 = arena_copy(a, text_slice(&out));
	text_free(&out);
	return ST_OK;
}
