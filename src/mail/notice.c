/* One table of sentences; the address stands between two halves. */
#include "mail/notice.h"

static const char *const tags[LANGUAGES] = {
	[LANGUAGE_EN] = "en", [LANGUAGE_DE] = "de", [LANGUAGE_ES] = "es", [LANGUAGE_FR] = "fr"};

static const char *const a_system[LANGUAGES] = {[LANGUAGE_EN] = "a mail system",
	[LANGUAGE_DE] = "einem Mailsystem",
	[LANGUAGE_ES] = "un sistema de correo",
	[LANGUAGE_FR] = "un système de messagerie"};

static const struct sentences {
	const char *subject, *before, *behind;
} sentences[][LANGUAGES] = {
	[NOTICE_FULL] = {[LANGUAGE_EN] = {"Mailbox full", "The mailbox of ",
				 " is full.\n\nYour message was given to the postmaster instead. It may take some time until "
				 "it is read.\n"},
		[LANGUAGE_DE] = {"Postfach voll", "Das Postfach von ",
			" ist voll.\n\nIhre Nachricht ging stattdessen an den Postmaster. Es kann einige Zeit dauern, bis sie "
			"gelesen wird.\n"},
		[LANGUAGE_ES] = {"Buzón lleno", "El buzón de ",
			" está lleno.\n\nSu mensaje se entregó en su lugar al administrador de correo. Puede pasar algún "
			"tiempo hasta que se lea.\n"},
		[LANGUAGE_FR] = {"Boîte aux lettres pleine", "La boîte aux lettres de ",
			" est pleine.\n\nVotre message a été remis à l'administrateur du courrier. Il se peut qu'il ne soit lu "
			"qu'après un certain temps.\n"}},
	[NOTICE_FULL_OWN] = {[LANGUAGE_EN] = {"Your mailbox is full", "Mail from ",
				     " did not fit into your mailbox.\n\nDelete messages you no longer need, or ask your "
				     "postmaster for more room.\n"},
		[LANGUAGE_DE] = {"Ihr Postfach ist voll", "Eine Nachricht von ",
			" passte nicht mehr in Ihr Postfach.\n\nLöschen Sie Nachrichten, die Sie nicht mehr brauchen, oder "
			"bitten Sie Ihren Postmaster um mehr Platz.\n"},
		[LANGUAGE_ES] = {"Su buzón está lleno", "Un mensaje de ",
			" no cupo en su buzón.\n\nBorre los mensajes que ya no necesite, o pida más espacio a su "
			"administrador de correo.\n"},
		[LANGUAGE_FR] = {"Votre boîte aux lettres est pleine", "Un message de ",
			" n'a pas trouvé de place dans votre boîte aux lettres.\n\nSupprimez les messages dont vous n'avez "
			"plus besoin, ou demandez plus de place à votre administrateur du courrier.\n"}},
};

enum language language_of(slice tag)
{
	enum language l = LANGUAGES - 1;

	while (l > LANGUAGE_EN && !slice_same_nocase(tag, slice_z(tags[l])))
		l--;
	return l;
}

const char *language_tag(enum language l)
{
	return tags[l];
}

notice notice_write(enum notice_kind kind, enum language in, slice about, arena *a)
{
	const struct sentences *say = &sentences[kind][in];

	if (about.size == 0)
		about = slice_z(a_system[in]);
	return (notice){.subject = slice_z(say->subject),
		.text = arena_format(a, "%s%.*s%s", say->before, SLICE_ARGS(about), say->behind)};
}
