# Turns sql/statement/*.sql into C: -v want=header gives the enum, -v want=table the table.
#
#	-- statement folder_by_name [tenant|system|global|owner]
#	-- $1 post office, $2 mailbox, $3 name in its folded form
#	select ... from folder where postoffice = $1 and mailbox = $2 and folded = $3;
#
# What several statements have in common is a piece, written before them and headed "-- piece NAME"; a line "@NAME" in a
# statement stands for it.
#
# The heading is the statement's name in C (SQL_FOLDER_BY_NAME), in the server and in the log. A
# statement ends with the line that ends in a semicolon. Refused: names given twice, unknown flags,
# text outside a statement, gaps in $1..$n, pieces that are not there, and a tenant statement that does not name the post office.

function complain(sentence) {
	printf "%s:%d: %s\n", FILENAME, FNR, sentence > "/dev/stderr"
	failed = 1
}

function begin(what) {
	if (name != "")
		complain("statement " name " has no end: the last line of a statement ends in a semicolon")
	name = $3
	kind = what
	body = ""
}

function open_statement(i) {
	begin("tenant")
	if (name !~ /^[a-z][a-z0-9_]*$/)
		complain("a statement's name is lower case letters, digits and underscores: " name)
	if (name in seen)
		complain("statement " name " exists already in " seen[name])
	seen[name] = FILENAME
	for (i = 4; i <= NF; i++) {
		if ($i !~ /^(tenant|system|global|owner)$/)
			complain("statement " name " has an unknown flag: " $i)
		kind = $i
	}
}

# Largest n of $n in the statement; complains when a smaller one is not used.
function parameters(sql,    rest, n, most, used) {
	rest = sql
	most = 0
	while (match(rest, /\$[0-9]+/)) {
		n = substr(rest, RSTART + 1, RLENGTH - 1) + 0
		used[n] = 1
		if (n > most)
			most = n
		rest = substr(rest, RSTART + RLENGTH)
	}
	for (n = 1; n <= most; n++)
		if (!(n in used))
			complain("statement " name " uses $" most " but not $" n)
	return most
}

# Whether it changes neither rows nor tables: what begins with `select` does so only by the functions for partitions, what begins
# with `with` by one of these words, too.
function only_reads(sql) {
	return sql !~ /(^|[^a-z_])partition_(make|drop)[(]/ && (sql ~ /^select[ \n]/ || sql ~ /^with[ \n]/ &&
		sql !~ /(^|[^a-z_])(insert into|update|delete from|merge into)([^a-z_]|$)/)
}

function close_statement() {
	sub(/;[ \t]*\n$/, "\n", body)
	if (kind == "piece") {
		pieces[name] = body
		name = ""
		return
	}
	if (kind == "tenant" && (body !~ /postoffice/ || body !~ /\$1/))
		complain("statement " name " is on tenant data and does not name the post office as $1" \
			" (or its heading lacks: system, global or owner)")
	count++
	names[count] = name
	kinds[count] = kind
	params[count] = parameters(body)
	reads[count] = only_reads(body) ? "true" : "false"
	texts[count] = body
	name = ""
}

function line_of(s) {
	if (s !~ /^@/)
		return s "\n"
	if (!(substr(s, 2) in pieces))
		complain("statement " name " has a piece that is not there: " s)
	return pieces[substr(s, 2)]
}

/^-- statement / { open_statement(); next }
/^-- piece / { begin("piece"); next }
/^[ \t]*--/ { next }
/^[ \t]*$/ { next }
{
	if (name == "") {
		complain("text outside a statement (heading: -- statement NAME)")
		next
	}
	body = body line_of($0)
	if ($0 ~ /;[ \t]*$/)
		close_statement()
}

function literal(sql,    lines, n, i, out) {
	gsub(/\\/, "&&", sql)
	gsub(/"/, "\\\"", sql)
	n = split(sql, lines, "\n")
	out = ""
	for (i = 1; i < n; i++)
		out = out "\n\t\t\"" lines[i] "\\n\""
	return out
}

END {
	if (name != "")
		complain("statement " name " has no end: the last line of a statement ends in a semicolon")
	if (failed)
		exit 1
	print "/* Made by sql/statements.awk from sql/statement; changes go there. */"
	if (want == "header") {
		print "#ifndef PENNYPOST_PROVIDER_STATEMENT_TABLE_H"
		print "#define PENNYPOST_PROVIDER_STATEMENT_TABLE_H\n"
		print "enum statement_id {"
		for (i = 1; i <= count; i++)
			printf "\tSQL_%s,\n", toupper(names[i])
		print "\tSTATEMENT_COUNT\n};\n\n#endif"
	} else {
		print "#include \"provider/statement.h\"\n"
		print "const struct statement statement_table[STATEMENT_COUNT + 1] = {"
		for (i = 1; i <= count; i++)
			printf "\t[SQL_%s] = {\"%s\", STATEMENT_%s, %d, %s,%s},\n", toupper(names[i]), \
				names[i], toupper(kinds[i]), params[i], reads[i], literal(texts[i])
		print "\t[STATEMENT_COUNT] = {NULL, STATEMENT_GLOBAL, 0, true, NULL},\n};"
	}
}
