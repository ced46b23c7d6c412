#!/bin/sh
# sql2c.awk: what it makes of good queries, and what it refuses. Speaks like a cmocka program.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
awk=${AWK:-awk}
tool=$here/../../tools/sql2c.awk
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
passed=0 failed=0

ok() { passed=$((passed + 1)); }
not_ok() {
	failed=$((failed + 1))
	echo "[  FAILED  ] $1"
}

# makes NAME PATTERN: out.c or out.h holds a line like that.
makes() { if grep -qF -- "$2" "$dir/out.h" "$dir/out.c"; then ok; else not_ok "$1: no line $2"; fi; }
lacks() { if grep -qF -- "$2" "$dir/out.h" "$dir/out.c"; then not_ok "$1: a line $2"; else ok; fi; }

# refuses NAME REASON: the file in.sql must not become C.
refuses() {
	if "$awk" -v out=c -f "$tool" "$dir/in.sql" >"$dir/out.c" 2>"$dir/err"; then
		not_ok "$1: taken"
	elif grep -qF -- "$2" "$dir/err"; then
		ok
	else
		not_ok "$1: $(cat "$dir/err")"
	fi
}

cat >"$dir/a.sql" <<'SQL'
-- What the file is about, outside of any block.

-- name: menu_list
-- in: $1 a, $2 b */ not the end of a comment
-- out: rows
select "name", 'it''s -- no comment', '$3'	-- but this is
from menu  
where a = $1 and b = $12::text and c = '\d';

-- name: menu_count
select count(*) from menu
SQL
printf -- '-- name: crlf\r\nselect 1;\r\n' >"$dir/b.sql"
"$awk" -v out=h -f "$tool" "$dir/a.sql" "$dir/b.sql" >"$dir/out.h"
"$awk" -v out=c -f "$tool" "$dir/a.sql" "$dir/b.sql" >"$dir/out.c"
makes names '	Q_MENU_LIST,'
makes names '	Q_MENU_COUNT,'
makes names '	Q_CRLF,'
makes documentation ' *   in: $1 a, $2 b * / not the end of a comment'
makes files ' * Q_MENU_LIST (a.sql)'
makes quotes '"select \"name\", '\''it'\'''\''s -- no comment'\'', '\''$3'\''\n"'
makes trimmed '"from menu\n"'
makes backslashes "c = '\\\\d'\","
makes params '12, "a.sql"},'
makes params '0, "a.sql"},'
makes ends '"select count(*) from menu",'
makes crlf '"select 1",'
lacks crlf "$(printf '\r')"
lacks comments 'but this is'
if ${CC:-cc} -c -o "$dir/out.o" -I"$dir" -x c - <<C; then ok; else not_ok "does not compile"; fi
$(sed 's/#include "queries.gen.h"/#include "out.h"/' "$dir/out.c")
_Static_assert(Q_MENU_LIST == 0 && Q_CRLF == 2 && Q_COUNT == 3, "in order");
C

printf 'select 1;\n' >"$dir/in.sql"
refuses outside 'SQL outside a `-- name:` block'
printf -- '-- name: Bad\nselect 1;\n' >"$dir/in.sql"
refuses name 'bad query name "Bad"'
printf -- '-- name: a b\nselect 1;\n' >"$dir/in.sql"
refuses name 'bad query name "a b"'
printf -- '-- name: one\nselect 1;\n-- name: one\nselect 2;\n' >"$dir/in.sql"
refuses twice 'query "one" stands already in in.sql'
printf -- '-- name: one\n-- name: two\nselect 2;\n' >"$dir/in.sql"
refuses empty 'query "one" is empty'
printf -- '-- name: one\n-- only a comment\n' >"$dir/in.sql"
refuses empty 'query "one" is empty'
: >"$dir/in.sql"
refuses nothing 'no queries found'

echo "[  PASSED  ] $passed test(s)."
[ "$failed" -eq 0 ] || echo "[  FAILED  ] $failed test(s)."
[ "$failed" -eq 0 ]
