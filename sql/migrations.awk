# Turns sql/schema/NNNN-name.sql, given in their order, into the C table of migrations, so that
# `pennypost schema migrate` needs no files. Refused: other names, numbers that do not count up by one.

function complain(sentence) {
	printf "%s\n", sentence > "/dev/stderr"
	failed = 1
}

function open_migration(file) {
	if (count)
		print "\t},"
	file = FILENAME
	sub(/.*\//, "", file)
	if (file !~ /^[0-9][0-9][0-9][0-9]-[a-z0-9-]+\.sql$/)
		complain(FILENAME ": a migration is called NNNN-name.sql")
	count++
	if (substr(file, 1, 4) + 0 != count)
		complain(FILENAME ": migrations count up by one; expected number " count)
	printf "\t{%d, \"%s\",\n", count, substr(file, 6, length(file) - 9)
}

BEGIN {
	print "/* Made by sql/migrations.awk from sql/schema; changes go there. */"
	print "#include \"provider/statement.h\"\n"
	print "const struct migration migration_table[] = {"
}

FNR == 1 { open_migration() }
{
	gsub(/\\/, "&&")
	gsub(/"/, "\\\"")
	printf "\t\t\"%s\\n\"\n", $0
}

END {
	if (count)
		print "\t},"
	print "\t{0, NULL, NULL},\n};"
	print "const unsigned migration_count = " count + 0 ";"
	exit failed
}
