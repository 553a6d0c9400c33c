#!/bin/sh
# The documents speak of what is there: every relative link of a Markdown file leads to a file, every
# `pennypost ...` in one is a command with the options it names, and every word in backquotes that
# looks like a setting is one; doc/web.md has every metric, and as what it is. Run by "make check"; first
# it proves on documents of its own that it can refuse.
set -u
top=${PENNYPOST_TOP_SRCDIR:-$(dirname "$0")/..}
top=$(cd "$top" && pwd) || exit 99
pennypost=${PENNYPOST_TOP_BUILDDIR:-.}/pennypost
[ -x "$pennypost" ] || {
	echo "docs: $pennypost is not there; make it first" >&2
	exit 99
}
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT

# Commands with their options, and all names that may look like a setting's.
help_of() {
	"$pennypost" help | sed -n 's/^  \([a-z][a-z-]*\( [a-z][a-z-]*\)\{0,1\}\)  .*/\1/p'
}
help_of | while read -r command; do
	# shellcheck disable=SC2086 # a command of one or two words
	echo "$command" $("$pennypost" help $command | grep -o -- '--[a-z][a-z-]*' | sort -u)
done >"$work/commands"
[ "$(wc -l <"$work/commands")" -ge 20 ] || {
	echo "docs: \`pennypost help\` shows no commands" >&2
	exit 1
}
sed -n 's/^SETTING(\([a-z0-9_]*\),.*/\1/p' "$top/src/provider/settings.def" >"$work/settings"

# links FILE: targets of relative links that are not there.
links() {
	grep -o ']([^)]*)' "$1" | sed 's/^](//; s/)$//; s/#.*//' | while read -r target; do
		case $target in '' | *://* | mailto:*) continue ;; esac
		[ -e "$(dirname "$1")/$target" ] || echo "$1: link to $target leads nowhere"
	done
}

# commands FILE: what stands behind `pennypost` in code and is no command, or has options it does not take.
commands() {
	awk -v file="$1" '
NR == FNR {
	split($0, word, " ")
	name = word[1]
	first = 2
	if (word[2] != "" && word[2] !~ /^--/) {
		name = name " " word[2]
		first = 3
	}
	known[name] = 1
	groups[word[1]] = 1
	for (i = first; word[i] != ""; i++)
		takes[name, word[i]] = 1
	next
}
function judge(s, word, n, name, i) {
	sub(/[ \t]#.*/, "", s)
	n = split(s, word, /[ \t|;)]+/)
	i = 1
	while (word[i] ~ /^--(config|json)$/)
		i += word[i] == "--config" ? 2 : 1
	if (word[i] == "..." || word[i] == "")
		return
	name = word[i]
	if ((name " " word[i + 1]) in known)
		name = name " " word[i + 1]
	if (!(name in known)) {
		if (!(name in groups && word[i + 1] == ""))
			printf "%s:%d: there is no command pennypost %s %s\n", file, FNR, name, word[i + 1]
		return
	}
	for (i++; i <= n; i++)
		if (word[i] ~ /^--[a-z]/ && !((name, word[i]) in takes) && word[i] !~ /^--(json|config|help)$/)
			printf "%s:%d: pennypost %s takes no %s\n", file, FNR, name, word[i]
}
/^[ ]*```/ { code = !code; next }
code {
	line = held $0
	held = ""
	if (line ~ /\\$/) {
		held = substr(line, 1, length(line) - 1)
		next
	}
	if (match(line, /(^|\|)[ \t]*pennypost /))
		judge(substr(line, RSTART + RLENGTH))
	next
}
{
	n = split($0, part, "`")
	for (k = 2; k <= n; k += 2)
		if (part[k] ~ /^pennypost [a-z-]/)
			judge(substr(part[k], 11))
}' "$work/commands" "$1"
}

# settings FILE: words in backquotes that begin like a family of settings and are none. Functions, statements and
# tables of the same look stand in the tree.
settings() {
	grep -o '`[a-z][a-z0-9]*_[a-z0-9_]*`' "$1" | tr -d '`' | sort -u | while read -r name; do
		grep -qx "$name" "$work/settings" && continue
		case $name in
		smtp_* | pop3_* | pop3s_* | imap_* | imaps_* | http_* | auth_* | submission_* | submissions_* | db_* | mailbox_* | *_retention | *_listen | *_patience | *_most) ;;
		*) continue ;;
		esac
		grep -rqw "$name" "$top/src" "$top/sql" "$top/tests/unit" --include='*.[ch]' --include='*.def' \
			--include='*.sql' || echo "$1: $name is no setting, and nothing else of that name is in the tree"
	done
}

# metrics FILE: what of metrics.def is not in its table of metrics, or there as another kind, and what is too much.
metrics() {
	awk -v file="$1" '
FNR == NR {
	if (match($0, /^(COUNTER|GAUGE|LATENCY)\([a-z0-9_]+, (true|false)/)) {
		split(substr($0, RSTART, RLENGTH), part, /[(,] ?/)
		kind[part[2]] = tolower(part[1]) (part[3] == "true" ? ", by service" : "")
	}
	next
}
/^## / { here = $0 == "## Metrics" }
here && /^\| `/ {
	split($0, cell, / *\| */)
	n = split(cell[2], word, "`")
	for (i = 2; i <= n; i += 2) {
		told[word[i]] = 1
		if (kind[word[i]] != cell[3])
			printf "%s: the metric %s is \"%s\", not \"%s\"\n", file, word[i], kind[word[i]], cell[3]
	}
}
END {
	for (name in kind)
		if (!(name in told))
			printf "%s: the metric %s is missing\n", file, name
}' "$2" "$1"
}

check() { # check FILE ...
	for file in "$@"; do
		links "$file"
		commands "$file"
		settings "$file"
	done
}

# ---- it can refuse
cat >"$work/bad.md" <<'END'
[nowhere](absent.md) and `pennypost postofice add x`, `smtp_message_moost`
```
pennypost mailbox add anna@demo \
    --quoata 2GB
pennypost settings
```
END
cat >"$work/good.md" <<'END'
[here](bad.md), [there](https://example.org/x), `pennypost mailbox add`, `pennypost schema`, `smtp_message_most`
```
echo word | pennypost mailbox password anna@demo --password -
pennypost --json trace ID     # --anything
```
END
cat >"$work/metrics.def" <<'END'
/* Metrics */
COUNTER(one, true, "One")
GAUGE(two, false, "Two")
LATENCY(three, false, "Three")
END
cat >"$work/metrics.md" <<'END'
## Metrics
| metric | kind | what |
| `one`, `two` | counter, by service | |
| `four` | counter | |
END
refused=$(check "$work/bad.md" | wc -l)
refused=$((refused + $(metrics "$work/metrics.md" "$work/metrics.def" | wc -l)))
passed=$(check "$work/good.md")
if [ "$refused" -ne 7 ] || [ -n "$passed" ]; then
	echo "docs: the check itself is broken: $refused of 7 refused"
	check "$work/bad.md" "$work/good.md"
	metrics "$work/metrics.md" "$work/metrics.def"
	echo "0 passed, 1 failed"
	exit 1
fi

# ---- the documents
set -- "$top"/*.md "$top"/doc/*.md "$top"/tests/*/*.md
{
	check "$@"
	metrics "$top/doc/web.md" "$top/src/base/metrics.def"
} >"$work/found"
cat "$work/found"
failed=$(cut -d: -f1 "$work/found" | sort -u | wc -l)
echo "$(($# + 1 - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
