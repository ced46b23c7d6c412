# sql2c.awk: named SQL statements -> an enum and a table in C.
#
#   awk -v out=h -f tools/sql2c.awk sql/queries/*.sql >queries.gen.h
#   awk -v out=c -f tools/sql2c.awk sql/queries/*.sql >queries.gen.c
#
# A block begins with `-- name: production_create`. Comment lines follow (`-- in: $1 sppgId text`,
# `-- out: ...`), then the statement up to the next block. In the header the comments stay as
# documentation; in the table they are gone. Duplicate names, empty blocks and SQL outside a
# block are errors. POSIX awk only: mawk, gawk and busybox agree on the result.

function die(why)
{
	printf "%s:%d: %s\n", FILENAME, FNR, why > "/dev/stderr"
	failed = 1
	exit 1
}

function stem(path)
{
	sub(/.*\//, "", path)
	return path
}

# Where block n stands complete: it must hold a statement.
function close_block()
{
	if (n > 0 && sql[n] == "") {
		printf "%s: query \"%s\" is empty\n", file[n], name[n] > "/dev/stderr"
		failed = 1
		exit 1
	}
}

function open_block(what)
{
	close_block()
	if (what !~ /^[a-z][a-z0-9_]*$/)
		die("bad query name \"" what "\" (want a-z, 0-9, _)")
	if (what in seen)
		die("query \"" what "\" stands already in " seen[what])
	seen[what] = stem(FILENAME)
	n++
	name[n] = what
	file[n] = stem(FILENAME)
	doc[n] = sql[n] = ""
}

# Drops a trailing `-- comment`, but not one inside a '...' string.
function strip(s,    i, c, quoted)
{
	for (i = 1; i <= length(s); i++) {
		c = substr(s, i, 1)
		if (c == "'")
			quoted = !quoted
		else if (!quoted && substr(s, i, 2) == "--")
			return substr(s, 1, i - 1)
	}
	return s
}

# The highest $N of the statement is its number of parameters.
function count_params(s,    max, k)
{
	max = 0
	while (match(s, /\$[0-9]+/)) {
		k = substr(s, RSTART + 1, RLENGTH - 1) + 0
		if (k > max)
			max = k
		s = substr(s, RSTART + RLENGTH)
	}
	return max
}

function c_string(s,    i, c, r)
{
	r = ""
	for (i = 1; i <= length(s); i++) {
		c = substr(s, i, 1)
		r = r (c == "\\" ? "\\\\" : c == "\"" ? "\\\"" : c == "\t" ? "\\t" : c)
	}
	return r
}

FNR == 1 && NR > 1 {
	close_block()
	between = 1
}

{ sub(/\r$/, "") }

/^-- name:/ {
	line = $0
	sub(/^-- name:[ \t]*/, "", line)
	sub(/[ \t]+$/, "", line)
	open_block(line)
	between = 0
	next
}

/^[ \t]*--/ {
	if (n > 0 && !between && sql[n] == "") {
		line = $0
		sub(/^[ \t]*--[ \t]?/, "", line)
		gsub(/\*\//, "* /", line)
		doc[n] = doc[n] " *   " line "\n"
	}
	next
}

{
	line = strip($0)
	sub(/[ \t]+$/, "", line)
	if (line == "")
		next
	if (n == 0 || between)
		die("SQL outside a `-- name:` block")
	sub(/^[ \t]+/, "", line)
	sql[n] = sql[n] line "\n"
}

function put_header(    i)
{
	print "/* Built from sql/queries by tools/sql2c.awk: do not edit. */"
	print "#ifndef DAPUR_QUERIES_GEN_H"
	print "#define DAPUR_QUERIES_GEN_H\n"
	print "/*"
	for (i = 1; i <= n; i++)
		printf " * Q_%s (%s)\n%s *\n", toupper(name[i]), file[i], doc[i]
	print " */"
	print "enum query {"
	for (i = 1; i <= n; i++)
		printf "\tQ_%s,\n", toupper(name[i])
	print "\tQ_COUNT\n};\n"
	print "/* One named statement; n_params is its highest $N. */"
	print "struct query_text {"
	print "\tconst char *name;\n\tconst char *sql;\n\tint n_params;\n\tconst char *file;\n};\n"
	print "extern const struct query_text query_texts[Q_COUNT];\n"
	print "#endif"
}

function put_table(    i, k, parts, lines)
{
	print "/* Built from sql/queries by tools/sql2c.awk: do not edit. */"
	print "#include \"queries.gen.h\"\n"
	print "const struct query_text query_texts[Q_COUNT] = {"
	for (i = 1; i <= n; i++) {
		printf "\t[Q_%s] = {\"%s\",\n", toupper(name[i]), name[i]
		sub(/;?\n$/, "", sql[i])
		lines = split(sql[i], parts, "\n")
		for (k = 1; k <= lines; k++)
			printf "\t\t\"%s%s\"%s\n", c_string(parts[k]), k < lines ? "\\n" : "", k < lines ? "" : ","
		printf "\t\t%d, \"%s\"},\n", count_params(sql[i]), file[i]
	}
	print "};"
}

END {
	if (failed)
		exit 1
	close_block()
	if (failed)
		exit 1
	if (n == 0) {
		print "no queries found" > "/dev/stderr"
		exit 1
	}
	if (out == "h")
		put_header()
	else
		put_table()
}
