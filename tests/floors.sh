#!/bin/sh
# Who may include whom, which library is used where, and which calls are never written, over all of
# src. The makefile runs it in "make check". It first proves on a small tree of its own that it can
# refuse. A line may be excused where it stands, with its reason: /* floors: why */
#
#   program > service, connector, agent > provider, net > mail, task > base
set -u
top=${PENNYPOST_TOP_SRCDIR:-$(dirname "$0")/..}
top=$(cd "$top" && pwd) || exit 99

# check TREE: one line per offence, "file:line: sentence"; nothing when all is well.
check() {
	(cd "$1" && find src -name '*.[ch]' -o -name '*.def' | LC_ALL=C sort | xargs awk '
function complain(sentence) {
	printf "%s:%d: %s\n", FILENAME, FNR, sentence
}
function room_of(path) {
	sub(/^src\//, "", path)
	if (path ~ /^(connector|service)\/[^\/]*\//)
		return substr(path, 1, match(path, /\/[^\/]*$/) - 1)
	return substr(path, 1, index(path, "/") - 1)
}
BEGIN {
	below["base"] = "base"
	below["task"] = "base task"
	below["mail"] = "base mail"
	below["net"] = "base task mail net"
	below["provider"] = "base task mail provider"
	below["component"] = "base mail component"
	middle = "base task mail net provider"
	# Where a header of a library may be used: first match counts.
	n = 0
	home[++n] = "libpq-fe|libpq/|postgres_ext"; rooms[n] = "^provider$"
	home[++n] = "openssl/(evp|hmac|kdf|rand|core_names|params|crypto|err)\\.h"; rooms[n] = "^(net|provider)$"
	home[++n] = "openssl/"; rooms[n] = "^net$"
	home[++n] = "ares"; rooms[n] = "^net$"
	home[++n] = "microhttpd"; rooms[n] = "^service/(web|httpmail)$"
	home[++n] = "jansson"; rooms[n] = "^(service/(web|httpmail)|program)$"
	home[++n] = "zstd"; rooms[n] = "^provider$"
	home[++n] = "argon2"; rooms[n] = "^provider$"
	home[++n] = "idn2|uni(case|norm|str|ctype|conv|width|name|lbrk|gbrk|types)|pcre2"; rooms[n] = "^(mail|provider)$"
	home[++n] = "libpsl"; rooms[n] = "^mail$"
	home[++n] = "systemd/"; rooms[n] = "^program$"
	libraries = n
}
FNR == 1 {
	room = room_of(FILENAME)
	floor = room
	sub(/\/.*/, "", floor)
	comment = 0
}
/\/\* floors: / { next }
/^[ \t]*#[ \t]*include[ \t]*"/ {
	split($0, part, "\"")
	header = part[2]
	if (header !~ /\//) {
		complain("\"" header "\": an include names its floor")
		next
	}
	other = room_of(header)
	if (floor == "program")
		ok = 1
	else if (floor in below)
		ok = index(" " below[floor] " ", " " other " ") || index(other, floor "/") == 1
	else
		ok = index(" " middle " ", " " other " ") || other == room
	if (header ~ /^provider\/(db|connection|statement|wire)\.h$/ && floor != "provider")
		ok = 0
	if (!ok)
		complain("src/" room " may not include \"" header "\"")
	next
}
/^[ \t]*#[ \t]*include[ \t]*</ {
	header = $0
	sub(/^[^<]*</, "", header)
	sub(/>.*/, "", header)
	for (i = 1; i <= libraries; i++)
		if (header ~ "^(" home[i] ")") {
			if (floor == "provider" ? "provider" !~ rooms[i] : room !~ rooms[i])
				complain("src/" room " may not use <" header ">")
			break
		}
	next
}
{
	# What stands in comments is talk, not code.
	code = $0
	if (comment) {
		if (!match(code, /\*\//))
			next
		code = substr(code, RSTART + 2)
		comment = 0
	}
	while (match(code, /\/\*/)) {
		before = substr(code, 1, RSTART - 1)
		rest = substr(code, RSTART + 2)
		if (!match(rest, /\*\//)) {
			comment = 1
			code = before
			break
		}
		code = before " " substr(rest, RSTART + 2)
	}
	sub(/\/\/.*/, "", code)
	code = " " code
}
code ~ /[^A-Za-z0-9_](PQexec|PQsendQuery)[ \t]*\(/ && FILENAME !~ /^src\/provider\/(schema|migrat|db_link)[a-z_]*\.c$/ {
	complain("SQL as text only in migrations (schema, db_link_script); statements come from sql/statement")
}
code ~ /[^A-Za-z0-9_]db_link_(script|run)[ \t]*\(/ && FILENAME !~ /^src\/provider\/(db\.h|(db_link|migrate|news_bell)\.c)$/ {
	complain("a connection of its own knows no post office: statements run by db_run and db_add")
}
code ~ /[^A-Za-z0-9_](PQexecParams|PQexecPrepared|PQprepare|PQconnectdb|PQgetCopyData)[ \t]*\(/ && floor != "provider" {
	complain("only src/provider speaks with PostgreSQL")
}
code ~ /[^A-Za-z0-9_](sleep|usleep|nanosleep|getaddrinfo|gethostbyname)[ \t]*\(/ && floor != "task" && floor != "program" {
	complain("only src/task waits")
}
code ~ /[^A-Za-z0-9_](sprintf|vsprintf|strcpy|strcat|gets|strtok)[ \t]*\(/ {
	complain("no call that writes without a bound or keeps hidden state")
}
' /dev/null)
	# A source that no local.mk lists is neither compiled nor shipped.
	(cd "$1" && find src tests sql -name '*.c' -o -name '*.h' -o -path "src/*.def" -o -name "*.sql" | LC_ALL=C sort | while read -r file; do
		grep -rqF --include=local.mk -- "$file" src tests sql || echo "$file: no local.mk lists it"
	done)
}

passed=0 failed=0
dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT

# refuses FILE LINE SENTENCE: a tree with this one line must be refused with this sentence.
refuses() {
	rm -rf "$dir/src"
	mkdir -p "$dir/$(dirname "$1")" "$dir/tests" "$dir/sql"
	echo "$2" >"$dir/$1"
	echo "$1" >"$dir/src/local.mk"
	if check "$dir" | grep -qF -- "$3"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAILED: not refused in $1: $2"
	fi
}
accepts() { # accepts FILE LINE
	rm -rf "$dir/src"
	mkdir -p "$dir/$(dirname "$1")" "$dir/tests" "$dir/sql"
	echo "$2" >"$dir/$1"
	echo "$1" >"$dir/src/local.mk"
	if offence=$(check "$dir") && [ -z "$offence" ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAILED: refused: $offence"
	fi
}

refuses src/base/x.c '#include "task/task.h"' 'src/base may not include'
refuses src/task/x.c '#include "mail/header.h"' 'src/task may not include'
refuses src/net/x.c '#include "provider/auth.h"' 'src/net may not include'
refuses src/provider/x.c '#include "net/stream.h"' 'src/provider may not include'
refuses src/service/pop3/x.c '#include "service/web/web.h"' 'src/service/pop3 may not include'
refuses src/service/pop3/x.c '#include "connector/smtp/smtp.h"' 'src/service/pop3 may not include'
refuses src/agent/x.c '#include "service/pop3/pop3.h"' 'src/agent may not include'
refuses src/service/pop3/x.c '#include "provider/db.h"' 'src/service/pop3 may not include'
refuses src/connector/smtp/x.c '#include "smtp.h"' 'names its floor'
refuses src/net/x.c '#include <libpq-fe.h>' 'may not use <libpq-fe.h>'
refuses src/service/pop3/x.c '#include <openssl/ssl.h>' 'may not use <openssl/ssl.h>'
refuses src/provider/x.c '#include <openssl/ssl.h>' 'may not use <openssl/ssl.h>'
refuses src/mail/x.c '#include <ares.h>' 'may not use <ares.h>'
refuses src/net/x.c '#include <libpsl.h>' 'may not use <libpsl.h>'
refuses src/program/x.c '#include <microhttpd.h>' 'may not use <microhttpd.h>'
refuses src/connector/smtp/x.c '#include <jansson.h>' 'may not use <jansson.h>'
refuses src/provider/x.c '	r = PQexec(pg, sql);' 'SQL as text'
refuses src/provider/x.c '	s = db_link_run(l, sql, NULL, 0, a, &r);' 'knows no post office'
refuses src/service/web/x.c '	r = PQprepare(pg, name);' 'only src/provider speaks'
refuses src/net/x.c '	usleep(5);' 'only src/task waits'
refuses src/net/x.c '	/* why */ strcpy(a, b);' 'without a bound'
accepts src/base/x.c '/* strcpy(a, b) is not what we do */'
accepts src/provider/memory/x.c '#include "provider/auth.h"'
accepts src/provider/x.c '#include <openssl/hmac.h>'
accepts src/provider/migrate.c '	s = db_link_script(l, text, a, NULL);'
accepts src/provider/schema.c '	r = PQexec(pg, text);'
accepts src/service/pop3/x.c '#include "provider/auth.h"'
accepts src/connector/smtp/x.c '#include "connector/smtp/smtp.h"'
accepts src/program/x.c '#include "service/web/web.h"'
accepts src/net/x.c '	getaddrinfo(a, 0, &h, &r); /* floors: numeric hosts only, never waits */'
echo 'int forgotten;' >"$dir/src/forgotten.c"
if check "$dir" | grep -q 'src/forgotten.c: no local.mk lists it'; then
	passed=$((passed + 1))
else
	failed=$((failed + 1))
	echo "FAILED: a source that is not listed was not noticed"
fi

offences=$(check "$top")
if [ -z "$offences" ]; then
	passed=$((passed + 1))
else
	failed=$((failed + 1))
	echo "$offences"
fi
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
