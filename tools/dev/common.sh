# common.sh: messages, paths, ports. Sourced by ./dev.
# shellcheck shell=bash disable=SC2034

say() { printf '%s\n' "$*"; }
step() { printf '==> %s\n' "$*"; }
warn() { printf 'dev: %s\n' "$*" >&2; }
die() {
	warn "$*"
	exit 1
}

# Where everything is. Only names are set here; nothing is made but the directories.
init_paths() {
	PATH=$PATH:/usr/sbin:/sbin
	[[ $TOP != *[[:space:]]* ]] || die "the path of the checkout must not hold blanks: $TOP"
	VAR=$(realpath -m "${DAPUR_VAR:-$TOP/var}")
	BUILD=$(realpath -m "${DAPUR_BUILD_DIR:-$TOP/var/build}")
	LOG=$VAR/log ETC=$VAR/etc
	umask 022
	mkdir -p "$VAR" "$LOG" "$ETC"
	# What PostgreSQL runs as: it refuses to run as root.
	PG_OS_USER=$(id -un)
	if [[ $EUID -eq 0 ]]; then
		PG_OS_USER=nobody
		! id -u postgres >/dev/null 2>&1 || PG_OS_USER=postgres
	fi
	PG_AS=()
	[[ $EUID -ne 0 ]] ||
		PG_AS=(setpriv --reuid="$PG_OS_USER" --regid="$(id -g "$PG_OS_USER")" --clear-groups --)
	RUN=$(known_place run)
	PGDIR=$(known_place pg)
}

# known_place NAME: the directory of that name: var/NAME, or the one noted in var/NAME-dir.
known_place() {
	if [[ -f $VAR/$1-dir ]]; then cat "$VAR/$1-dir"; else echo "$VAR/$1"; fi
}

# make_place NAME BASE: makes that directory. It is elsewhere (in BASE) when var/ will not do: too
# long for a socket's name (107 bytes), or out of reach for PostgreSQL's user (a checkout in /root).
make_place() {
	local note=$VAR/$1-dir dir
	dir=$(known_place "$1")
	if [[ -f $note && ! -O $dir && $1 == run ]]; then
		rm -f "$note" # gone, or somebody else's now
		dir=$VAR/$1
	fi
	if [[ ! -f $note ]] && { [[ ${#dir} -gt 80 ]] || ! "${PG_AS[@]}" test -x "$VAR"; }; then
		dir=$(mktemp -d "$2/dapur-$1.XXXXXX")
		echo "$dir" >"$note"
		say "    $1 lives in $dir"
	fi
	mkdir -p "$dir"
	chmod 711 "$dir"
}

random_hex() { od -An -tx1 -N"$1" /dev/urandom | tr -d ' \n'; }

# Is something listening on this TCP port?
port_taken() {
	local hex tables=(/proc/net/tcp)
	hex=$(printf '%04X' "$1")
	[[ ! -r /proc/net/tcp6 ]] || tables+=(/proc/net/tcp6)
	awk -v p=":$hex" '$4 == "0A" && substr($2, length($2) - 4) == p { found = 1 }
		END { exit !found }' "${tables[@]}"
}

free_port() {
	local port
	while :; do
		port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
		[[ " ${PORTS_GIVEN:-} " == *" $port "* ]] || port_taken "$port" || break
	done
	echo "$port"
}

# wait_until SECONDS COMMAND...: polls until the command succeeds; 1 after the deadline.
wait_until() {
	local end=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000))
	shift
	until "$@"; do
		[[ ${EPOCHREALTIME/[.,]/} -lt $end ]] || return 1
		sleep 0.05
	done
}

# with_lock FILE COMMAND...: one at a time. spawn() closes LOCK_FD, so no daemon keeps the lock.
with_lock() {
	local file=$1 fd rc
	shift
	exec {fd}>"$file"
	flock "$fd"
	local LOCK_FD=$fd
	"$@"
	rc=$?
	exec {fd}>&-
	return "$rc"
}
