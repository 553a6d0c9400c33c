/* What the house tells people by itself, in each of its languages. */
#include "same.h"

#include "base/utf8.h"
#include "mail/notice.h"

Test(notice, knows_its_languages_and_speaks_english_to_others)
{
	static const struct {
		const char *tag;
		enum language is;
	} rows[] = {{"en", LANGUAGE_EN}, {"de", LANGUAGE_DE}, {"ES", LANGUAGE_ES},
		{"fr", LANGUAGE_FR}, {"", LANGUAGE_EN}, {"it", LANGUAGE_EN}, {"dev", LANGUAGE_EN}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		cr_assert_eq(language_of(slice_z(rows[i].tag)), rows[i].is, "%s", rows[i].tag);
	for (enum language l = LANGUAGE_EN; l < LANGUAGES; l++)
		cr_assert_eq(language_of(slice_z(language_tag(l))), l);
}

Test(notice, names_who_it_is_about_in_every_language)
{
	arena a = ARENA_INIT;

	for (enum notice_kind kind = NOTICE_FULL; kind <= NOTICE_FULL_OWN; kind++)
		for (enum language l = LANGUAGE_EN; l < LANGUAGES; l++) {
			notice n = notice_write(kind, l, S("anna@demo.test"), &a),
			       english = notice_write(kind, LANGUAGE_EN, S("anna@demo.test"), &a),
			       nobody = notice_write(kind, l, S(""), &a);

			cr_assert(
				n.subject.size > 0 && utf8_valid(n.subject) && utf8_valid(n.text));
			cr_assert_lt(slice_search(n.text, S(" anna@demo.test ")), n.text.size);
			cr_assert_eq(slice_same(n.text, english.text), l == LANGUAGE_EN);
			cr_assert_eq(slice_same(n.subject, english.subject), l == LANGUAGE_EN);
			cr_assert_eq(slice_search(nobody.text, S("anna")), nobody.text.size);
			cr_assert_eq(slice_search(nobody.text, S("  ")), nobody.text.size);
		}
	arena_release(&a);
}

Test(notice, says_it_in_german)
{
	arena a = ARENA_INIT;
	notice n = notice_write(NOTICE_FULL_OWN, LANGUAGE_DE, S(""), &a);

	SAME(n.subject, S("Ihr Postfach ist voll"));
	SAME(slice_until(n.text, slice_find(n.text, '\n')),
		S("Eine Nachricht von einem Mailsystem passte nicht mehr in Ihr Postfach."));
	arena_release(&a);
}
