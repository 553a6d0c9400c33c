/* What is like what, and how much. */
#include "mail/fuzzy.h"

#include <criterion/criterion.h>

static int score(const char *wanted, const char *text)
{
	arena a = ARENA_INIT;
	struct fuzzy f;
	struct fuzzy_found found = {0};

	fuzzy_make(slice_z(wanted), &a, &f);
	fuzzy_look(slice_z(text), &f, &found);
	int out = fuzzy_score(&f, &found);
	arena_release(&a);
	return out;
}

Test(fuzzy, finds_what_is_like_a_string)
{
	static const struct {
		const char *wanted, *text;
		int score;
	} rows[] = {
		{"IMAP break", "on an imap break today", 100},
		{"IMAP break", "break the IMAP", 90},
		{"IMAP break", "IMAP is breaking", 83},
		{"IMAP break", "IMAP is whole", 0},
		{"Helo", "oh, hello", 67},
		{"helo", "help", 67},
		{"helo", "yellow", 0},
		{"recieve", "we receive mail", 67},
		{"invocie 12", "invoice 12", 78},
		{"12", "120", 100},
		{"12", "13", 0},
		{"cat", "cut", 0},
		{"harbour-master", "harbor master", 78},
		{"programming", "a program", 63},
		{"work", "networks", 100},
		{"work late", "late networks", 72},
		{"Müller", "MULLER", 90},
		{"Muller", "Müller", 90},
		{"стамбул", "в Стамбуле", 100},
		{"...", "anything", 0},
		{"", "anything", 100},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		cr_expect_eq(score(rows[i].wanted, rows[i].text), rows[i].score, "%s in %s: %d",
			rows[i].wanted, rows[i].text, score(rows[i].wanted, rows[i].text));
}

Test(fuzzy, gathers_words_from_several_texts)
{
	arena a = ARENA_INIT;
	struct fuzzy f;
	struct fuzzy_found found = {0};

	fuzzy_make(S("garden party"), &a, &f);
	fuzzy_look(S("the gardens"), &f, &found);
	cr_expect_eq(fuzzy_score(&f, &found), 0);
	fuzzy_look(S("parties, party"), &f, &found);
	cr_expect_eq(fuzzy_score(&f, &found), 83);
	arena_release(&a);
}

Test(fuzzy, takes_any_octets)
{
	char room[4096];
	uint32_t dice = 5;

	for (int round = 0; round < 200; round++) {
		for (size_t i = 0; i + 1 < sizeof room; i++)
			room[i] = (char)(1 + (dice = dice * 1664525 + 1013904223) / 16843010);
		room[sizeof room - 1] = '\0';
		char wanted[64];
		memcpy(wanted, room + dice % 3000, sizeof wanted);
		wanted[1 + dice % 60] = '\0';
		int any = score(wanted, room);
		cr_assert(any >= 0 && any <= 100, "round %d: %d", round, any);
		for (size_t i = 0; i + 1 < sizeof room; i++)
			room[i] = "ab cd-EF."[(unsigned char)room[i] % 9];
		memcpy(wanted, room + dice % 3000, strlen(wanted));
		cr_assert_eq(score(wanted, room), 100, "round %d: %s", round, wanted);
	}
}
