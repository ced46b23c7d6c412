#!/usr/bin/env bash
# lint.sh: what the compiler does not see. One line a check, `ok`, `FAIL` or `skip`, then the findings;
# exit 1 when one failed. DAPUR_BIN names the build directory (default var/build) for the checks that
# ask the program itself. A tool that is not installed skips its check, but fails it when CI=true.
# shellcheck disable=SC2317,SC2016,SC2001 # checks are called by name
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
BIN=${DAPUR_BIN:-var/build}
failures=0

# The files that are checked: tracked ones and new ones, whatever directory they are in.
files() { git ls-files -co --exclude-standard -- "$@" | while read -r f; do [[ ! -f $f ]] || echo "$f"; done; }
c_files() { files '*.c' '*.h' '*.def'; }

# check NAME COMMAND...: ok when the command prints nothing.
check() {
	local name=$1 found
	shift
	found=$("$@" 2>&1) || found=${found:-"$1 failed"}
	verdict "$name" "$found"
}

verdict() {
	if [[ -z $2 ]]; then
		echo "ok   $1"
		return
	fi
	failures=$((failures + 1))
	echo "FAIL $1"
	sed 's/^/     /' <<<"$2"
}

# with_tool COMMAND NAME CHECK...: only when there is such a tool.
with_tool() {
	local tool=$1
	shift
	if command -v "$tool" >/dev/null || [[ -x $tool ]]; then
		check "$@"
	elif [[ ${CI:-} == true ]]; then
		verdict "$1" "$tool is not there, and CI skips nothing"
	else
		echo "skip $1 ($tool is not there)"
	fi
}

# ---- layers ------------------------------------------------------------------------------
# Each module's layer by its name, then what a file of a layer may include. Within layer 1 a module
# may include its own parts only (same stem: bus.c, bus_link.h), within layer 3 none but action.h.
layers() {
	c_files | grep -E '^(src|cgi-bin|ws)/.*\.[ch]$' | xargs awk '
		BEGIN {
			split("base banned clock err mem buf log page text password http_method", l0)
			split("conf http input db bus line ask queries.gen", l1)
			split("who feed hub", l2)
			for (i in l0) layer[l0[i]] = 0
			for (i in l1) layer[l1[i]] = 1
			for (i in l2) layer[l2[i]] = 2
			layer["act"] = 3
			split("input db queries.gen action", l3)
			for (i in l3) action_may[l3[i]] = 1
			only["fcgiapp.h"] = only["fcgi_stdio.h"] = only["fcgi_config.h"] = "http"
			only["libpq-fe.h"] = "db"
			only["hiredis/hiredis.h"] = "bus"
		}
		function stem_of(path) { sub(/.*\//, "", path); sub(/\.[ch]$/, "", path); return path }
		# bus_link belongs to bus, act_menu is an action, db_error a part of db
		function module_of(stem) {
			if (stem in layer) return stem
			sub(/_.*/, "", stem)
			return stem
		}
		function layer_of(module) { return module in layer ? layer[module] : 4 }
		function bad(why) { printf "%s:%d: %s\n", FILENAME, FNR, why }
		FNR == 1 {
			stem = stem_of(FILENAME)
			me = FILENAME ~ /^src\// ? module_of(stem) : "main"
			mine = layer_of(me)
			if (stem == "action") mine = 4 # it says what an action gets, from all below
		}
		/^#[ \t]*include[ \t]*</ {
			match($0, /<[^>]*>/)
			lib = substr($0, RSTART + 1, RLENGTH - 2)
			if (lib in only && me != only[lib]) bad(lib " belongs to " only[lib] " alone")
			if (lib ~ /^json-c\// && mine < 1) bad("layer 0 knows no json-c")
		}
		/^#[ \t]*include[ \t]*"/ {
			match($0, /"[^"]*"/)
			other = stem_of(substr($0, RSTART + 1, RLENGTH - 2))
			if (other == "act" && me == "act") next # what the actions share
			if (other ~ /\.def$/ || other == "config" || other == stem) next
			it = module_of(other)
			its = layer_of(it)
			if (other == "action") its = 3
			if (it == me && me != "act" && me != "main") next
			if (mine == 0 && its > 0) bad("layer 0 includes only layer 0, not " other)
			else if (mine == 1 && its > 0 && !(me == "db" && it == "queries.gen"))
				bad("an edge includes layer 0 and its own parts, not " other)
			else if (mine == 2 && its > 1 && its != 2) bad("shared rules include no " other)
			else if (mine == 3 && its > 0 && !(it in action_may))
				bad("an action includes no " other)
		}'
}

# ---- words ---------------------------------------------------------------------------------
sql_in_c() {
	local sql='"[^"]*\b(SELECT [^"]|INSERT INTO|UPDATE [a-z_.]+ SET|DELETE FROM|CREATE (TABLE|ROLE|INDEX|SCHEMA) |ALTER (TABLE|ROLE) |DROP (TABLE|ROLE) |TRUNCATE |LISTEN |NOTIFY )'
	c_files | grep -vE '^(tests|src/ctl|src/migrate|src/queries\.gen)' | xargs grep -nE "$sql" || :
	c_files | grep -vE '^(tests/|src/db|src/ctl|src/migrate)' |
		xargs grep -nE '"(BEGIN|COMMIT|ROLLBACK|SET |START TRANSACTION)[^"]*"' || :
}

banned_functions() {
	local words='strcpy|strcat|strncpy|strncat|sprintf|vsprintf|gets|atoi|atol|atoll|atof|strtok|asctime|ctime|gmtime|localtime|tmpnam|mktemp|rand|srand|alloca|system|popen'
	c_files | grep -vE '^(src/banned.h|tests/)' | xargs grep -nE "(^|[^A-Za-z0-9_\"])($words)[[:space:]]*\(" |
		grep -vE ':[[:space:]]*(/?\*)' || :
	# the header must be in every source file of ours, or the compiler bans nothing
	files 'src/*.c' 'cgi-bin/*.c' 'ws/*.c' | xargs -r grep -L '"banned.h"' |
		sed 's/$/: does not include banned.h/'
}

length() {
	files '*.c' '*.h' '*.sh' '*.awk' '*.js' '*.mjs' dev | grep -v node_modules |
		xargs wc -l | awk '$2 != "total" && $1 > 600 { print $2 ": " $1 " lines" }'
}

# Nothing of one machine: home directories, mirrors, proxies.
foreign_paths() {
	git grep -nIE '(^|[^A-Za-z0-9_.])/(work|root|home)/[a-z.]|"resolved":|https?://(registry|deb|security|archive)[.]' \
		-- . ':!tools/lint.sh' || :
}

# ---- format ----------------------------------------------------------------------------------
format() {
	c_files | grep -v '\.def$' | xargs clang-format --dry-run -Werror 2>&1 |
		awk -F: '/ error: / { n[$1]++ } END { for (f in n) print f ": " n[f] " places (./dev format)" }' | sort
}

shell_syntax() {
	shell_files | while read -r f; do bash -n "$f" || :; done
}

shell_files() {
	files '*.sh' dev .ci/run
}

shell_check() { shell_files | xargs shellcheck -x -S warning; }

# ---- documentation ---------------------------------------------------------------------------
# What mdoc and man macros hide: font escapes, \- for -, \& and the like.
plain() { sed -e 's/\\-/-/g; s/\\&//g; s/\\(en/-/g; s/\\f[A-Z]//g; s/\\e/\\/g' "$1"; }

# Each route, `METHOD path`, stands on one line of dapur-api.7, and no heading names one that is not.
routes_documented() {
	local page=doc/dapur-api.7 text routes method path
	[[ -f $page ]] || { echo "$page is missing"; return; }
	text=$(plain "$page") routes=$("$BIN/dapur" routes | cut -f1,2)
	while IFS=$'\t' read -r method path; do
		grep -qE "\b$method\b.*${path//[\{\}]/.}([ \",]|\$)" <<<"$text" ||
			echo "$page says nothing of $method $path"
	done <<<"$routes"
	{ grep -E '^\.(It|SS|Ss|TP|B|BR|IP|Ic|Li)\b' <<<"$text" || :; } |
		{ grep -oE '\b(GET|POST|PUT|PATCH|DELETE)[ "]+/[a-z][^ ",]*' || :; } | sort -u |
		while read -r method path; do
			grep -qxF "$method"$'\t'"$path" <<<"$routes" ||
				echo "$page documents $method $path, and there is no such route"
		done
}

settings_documented() {
	local page=doc/dapur.conf.5 text key keys
	[[ -f $page ]] || { echo "$page is missing"; return; }
	text=$(plain "$page") keys=$("$BIN/dapur" settings | cut -f1)
	for key in $keys; do
		grep -qE "^\.(It|TP|B|BR|IP|SS|Ss|Cm|Ic|Va).*\b$key\b" <<<"$text" ||
			echo "$page says nothing of $key"
	done
	awk '$1 == ".It" && $2 ~ /^(Cm|Ic|Va|Li)$/ { print $3 }' <<<"$text" | sort -u |
		while read -r key; do
			grep -qxF "$key" <<<"$keys" || echo "$page documents $key, and there is no such setting"
		done
}

man_pages() {
	local page
	files 'doc/*.[1-9]' | while read -r page; do
		if command -v mandoc >/dev/null; then
			mandoc -Tlint -W warning "$page" || :
		else
			LC_ALL=C.UTF-8 MANROFFSEQ='' man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>&1 >/dev/null |
				sed "s|^|$page: |"
		fi
	done
}

# A file that the Makefile does not name is built by nobody and installed nowhere.
makefile_lists() {
	local f
	files 'src/*' 'cgi-bin/*.c' 'ws/*.c' 'sql/*' 'www/*' 'doc/*.[1-9]' 'tests/unit/*.c' 'tests/fuzz/*.c' |
		while read -r f; do
			grep -qE "(^|[[:space:]])${f//./\\.}([[:space:]]|\$)" Makefile.am ||
				grep -qE "(^|[[:space:]])${f%.c}([[:space:]]|\$)" Makefile.am ||
				echo "Makefile.am does not name $f"
		done
}

# dapur-stream is a process per connection: hiredis and libsodium, or nothing at all when static.
stream_links() {
	readelf -d "$BIN/ws/dapur-stream" 2>/dev/null | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' |
		grep -vE '^(libhiredis|libsodium|libc|libm|libasan|libubsan|ld-linux)' |
		sed 's/^/dapur-stream links /' || :
}

check layers layers
check sql-in-c sql_in_c
check banned-functions banned_functions
check length length
check foreign-paths foreign_paths
check makefile-lists makefile_lists
with_tool clang-format format format
check shell-syntax shell_syntax
with_tool shellcheck shellcheck shell_check
with_tool man man-pages man_pages
with_tool "$BIN/dapur" routes-documented routes_documented
with_tool "$BIN/dapur" settings-documented settings_documented
with_tool "$BIN/ws/dapur-stream" stream-links stream_links
exit $((failures > 0))
