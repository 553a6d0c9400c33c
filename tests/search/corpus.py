"""Mail as it comes, made by dice: texts and headers in several charsets and transfer encodings, nested, some of it
broken; and strings to look for in it."""
import base64
import quopri

WORDS = "letter Office penny STAMP morning river harbour-master train x of kitchen window".split()
FOREIGN = (
	("utf-8", ["Straße", "ﬁne", "tế", "日本語の手紙", "Привет", "naïve", "Ａｂｃ"]),
	("iso-8859-1", ["Straße", "café", "naïve"]),
	("windows-1252", ["€uro", "naïve", "“quoted”"]),
	("shift_jis", ["ソフト", "日本語の手紙", "表示"]),
	("iso-2022-jp", ["ソフト", "日本語の手紙"]),
	("utf-16", ["Straße", "日本語"]),
	("koi8-r", ["Привет", "письмо"]),
)


def words(dice, foreign, least, most):
	return " ".join(dice.choice(foreign) if dice.random() < 0.3 else dice.choice(WORDS) for _ in range(dice.randint(least, most)))


def lines(dice, foreign):
	return "\r\n".join(words(dice, foreign, 1, 12) for _ in range(dice.randint(0, 12)))


def encoded_word(dice, charset, text):
	raw = text.encode(charset, "replace")
	if dice.random() < 0.5:
		return f"=?{charset}?B?{base64.b64encode(raw).decode()}?="
	return f"=?{charset}?q?{''.join(f'={b:02X}' for b in raw)}?="


def header(dice):
	out = b""
	for name in dice.sample(["Subject", "From", "To", "X-Note", "Comments"], dice.randint(1, 5)):
		charset, foreign = dice.choice(FOREIGN)
		value = []
		for _ in range(dice.randint(1, 5)):
			kind = dice.random()
			value.append(encoded_word(dice, charset, dice.choice(foreign)) if kind < 0.3
				else dice.choice(FOREIGN[0][1]) if kind < 0.4 else dice.choice(WORDS))
		out += f"{name}: {dice.choice([' ', chr(13) + chr(10) + ' ']).join(value)}\r\n".encode()
	return out


def part(dice):
	charset, foreign = dice.choice(FOREIGN)
	raw = lines(dice, foreign).encode(charset, "replace")
	how = dice.choice(["base64", "quoted-printable", "8bit", "7bit"])
	if how == "base64" or charset == "utf-16":
		how, raw = "base64", base64.encodebytes(raw).replace(b"\n", b"\r\n")
	elif how == "quoted-printable":
		raw = quopri.encodestring(raw.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
	kind = dice.choice(["text/plain", "text/html", "text/plain", "application/octet-stream"])
	return f"Content-Type: {kind}; charset={charset}\r\nContent-Transfer-Encoding: {how}\r\n\r\n".encode() + raw + b"\r\n"


def message(dice, depth=0):
	"""The raw message, with CRLF."""
	if depth > 2 or dice.random() < 0.5:
		return header(dice) + part(dice)
	edge = f"edge-{depth}-{dice.randrange(1000)}"
	out = header(dice) + f"Content-Type: multipart/mixed; boundary={edge}\r\n\r\n".encode()
	for _ in range(dice.randint(0, 3)):
		inner = (header(dice) + part(dice) if dice.random() < 0.7
			else b"Content-Type: message/rfc822\r\n\r\n" + message(dice, depth + 1))
		out += f"--{edge}\r\n".encode() + inner
	return out + f"--{edge}--\r\n".encode()


def needle(dice):
	"""Something to look for, as people write it: whole words, parts of them, two side by side, in any case."""
	pool = WORDS + [w for _, foreign in FOREIGN for w in foreign]
	text = dice.choice(pool)
	if dice.random() < 0.2:
		text += " " + dice.choice(pool)
	if dice.random() < 0.5:
		start = dice.randrange(len(text))
		text = text[start:start + dice.randint(1, 6)]
	if dice.random() < 0.1:
		text = dice.choice(["nowhere-at-all", "qqqqq", "zz", "colour"])
	return dice.choice([str.lower, str.upper, str])(text)


def program(dice, depth=0):
	"""A SEARCH program, its strings apart: (text with {} for each, strings)."""
	kind = dice.random()
	if depth < 2 and kind < 0.15:
		inner, strings = program(dice, depth + 1)
		return f"NOT ({inner})", strings
	if depth < 2 and kind < 0.3:
		one, other = program(dice, depth + 1), program(dice, depth + 1)
		return f"OR ({one[0]}) ({other[0]})", one[1] + other[1]
	if depth < 2 and kind < 0.4:
		one, other = program(dice, depth + 1), program(dice, depth + 1)
		return f"{one[0]} {other[0]}", one[1] + other[1]
	key = dice.choice(["TEXT {}", "BODY {}", "TEXT {}", "BODY {}", "SUBJECT {}", "FROM {}", "HEADER X-Note {}", "FUZZY TEXT {}", "FUZZY BODY {}",
		"FUZZY SUBJECT {}", "LARGER 700", "1:150"])
	return key, [needle(dice)] if "{}" in key else []
