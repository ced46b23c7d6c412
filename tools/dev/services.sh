# services.sh: start, stop and look after single services by pid files. Sourced by ./dev.
#
# Each service is a process group of its own: RUN/NAME.pid holds the pid of its first process, and
# RUN/NAME.start when that process began, so that a recycled pid is never taken for ours.
# shellcheck shell=bash disable=SC2034

SERVICES=() # use_front (web.sh) says which
declare -A PROGRAM_OF=([events]=cgi-bin/events.fcgi [relay]=dapur-relay)
declare -A STOP_SIGNAL=([postgres]=INT)
API_WORKERS=${API_WORKERS:-8}

# Is there anything to start? (Some programs of ours may not be built yet.)
exists() { [[ -z ${PROGRAM_OF[$1]:-} || -x $BUILD/${PROGRAM_OF[$1]} ]]; }

# started_at PID: its start time in ticks since boot; nothing when it is gone or a zombie.
started_at() {
	local stat
	{ stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 0
	# shellcheck disable=SC2086 # the words after "(name)": state is the 1st, start time the 20th
	set -- ${stat##*) }
	[[ $1 == Z ]] || echo "${20}"
}

running() {
	local pid
	[[ -f $RUN/$1.pid && -f $RUN/$1.start ]] || return 1
	pid=$(<"$RUN/$1.pid")
	[[ -n $pid && $(started_at "$pid") == "$(<"$RUN/$1.start")" ]]
}

# spawn NAME COMMAND...: in its own session, output to its log (NAME-socket: to that of NAME).
spawn() {
	local name=$1
	shift
	(
		[[ -z ${LOCK_FD:-} ]] || exec {LOCK_FD}>&-
		exec setsid "$@" </dev/null >>"$LOG/${name%-socket}.log" 2>&1
	) &
	echo $! >"$RUN/$name.pid"
	started_at $! >"$RUN/$name.start"
	disown
}

# end_orphans NAME: the rest of its group, when the first process was killed: a supervisor's workers go on without it.
# Its pid is nobody else's while the group has members.
end_orphans() {
	local pid
	[[ -s $RUN/$1.pid ]] || return 0
	pid=$(<"$RUN/$1.pid")
	[[ -n $(started_at "$pid") ]] || kill -TERM -- "-$pid" 2>/dev/null || :
}

# stop NAME: its own polite signal, then KILL for the whole group. KEEP_SOCKET=1: the socket of a pool stays.
stop() {
	local name=$1 pid
	if running "$name"; then
		pid=$(<"$RUN/$name.pid")
		kill -CONT -- "-$pid" 2>/dev/null || :
		kill -"${STOP_SIGNAL[$name]:-TERM}" "$pid" 2>/dev/null || :
		wait_until 8 not running "$name" || kill -KILL -- "-$pid" 2>/dev/null || :
		wait_until 2 not running "$name" || warn "$name (pid $pid) does not end"
	fi
	end_orphans "$name"
	rm -f "$RUN/$name.pid" "$RUN/$name.start"
	[[ -n ${KEEP_SOCKET:-} ]] || ! running "$name-socket" || stop "$name-socket"
}

not() { ! "$@"; }

# start NAME: returns when it answers; shows its log when it does not.
start() {
	local name=$1
	! running "$name" || return 0
	exists "$name" || return 0
	end_orphans "$name"
	printf '\n--- start %(%F %T)T\n' -1 >>"$LOG/$name.log"
	"start_$name"
	wait_until 20 answers_or_gone "$name" && running "$name" && return 0
	tail -n 15 "$LOG/$name.log" >&2
	die "$name did not start; its log is $LOG/$name.log"
}

answers_or_gone() { ! running "$1" || "answers_$1"; }

# ---- PostgreSQL: durable defaults; small; no JIT for short statements --------------
pg_bin() {
	local dirs
	mapfile -t dirs < <(compgen -G '/usr/lib/postgresql/*/bin' | sort -V)
	[[ ${#dirs[@]} -gt 0 ]] || die "no PostgreSQL server under /usr/lib/postgresql"
	echo "${dirs[-1]}/$1"
}

# After a kill -9 the lock file names a pid that may be somebody else's by now, and PostgreSQL would never start. It
# may go only when no process of the cluster is left: the old backends work in its directory.
drop_stale_lock() {
	local cwd
	[[ -f $PGDIR/data/postmaster.pid ]] || return 0
	for cwd in /proc/[0-9]*/cwd; do
		[[ $(readlink "$cwd" 2>/dev/null || :) != "$PGDIR/data" ]] || return 0
	done
	rm -f "$PGDIR/data/postmaster.pid"
}

start_postgres() {
	init_postgres
	local tries=0 pg
	pg=$(pg_bin postgres)
	# After a kill -9 the old backends hold the shared memory for a moment.
	while :; do
		drop_stale_lock
		spawn postgres "${PG_AS[@]}" "$pg" -D "$PGDIR/data" \
			-c listen_addresses=127.0.0.1 -c port="$PG_PORT" \
			-c unix_socket_directories="$RUN/pg" \
			-c shared_buffers=128MB -c max_connections=120 -c jit=off \
			-c log_line_prefix='%m [%p] %u ' -c log_min_messages=warning
		wait_until 20 answers_or_gone postgres || return 0
		running postgres && return 0
		[[ $((++tries)) -lt 20 ]] || return 0
		sleep 0.3
	done
}

answers_postgres() { "$(pg_bin pg_isready)" -q -h "$RUN/pg" -p "$PG_PORT" -d postgres -t 2; }

init_postgres() {
	local words=(--auth=scram-sha-256 --username=postgres --encoding=UTF8 --locale=C.UTF-8)
	mkdir -p "$RUN/pg"
	chmod 755 "$RUN/pg"
	[[ $EUID -ne 0 ]] || chown "$PG_OS_USER" "$PGDIR" "$RUN/pg"
	[[ ! -f $PGDIR/data/PG_VERSION ]] || return 0
	step "making the database cluster"
	rm -rf "$PGDIR/data" "$PGDIR"/*.done
	(umask 077 && printf '%s\n' "$PG_SUPER_PASSWORD" >"$RUN/pg/pw")
	[[ $EUID -ne 0 ]] || chown "$PG_OS_USER" "$RUN/pg/pw"
	logged "$LOG/postgres.log" "${PG_AS[@]}" "$(pg_bin initdb)" -D "$PGDIR/data" \
		--pwfile="$RUN/pg/pw" "${words[@]}"
	rm -f "$RUN/pg/pw"
}

# ---- Redis: bus and cache; it may lose everything -------------------------------------
start_redis() {
	(
		umask 077
		mkdir -p "$VAR/redis"
		cat >"$ETC/redis.conf" <<-CONF
			bind 127.0.0.1
			port $REDIS_PORT
			unixsocket $RUN/redis.sock
			unixsocketperm 700
			requirepass $REDIS_PASSWORD
			dir $VAR/redis
			save ""
			appendonly no
			daemonize no
		CONF
	)
	spawn redis redis-server "$ETC/redis.conf"
}

answers_redis() { [[ $(redis_cli ping 2>/dev/null) == PONG ]]; }

redis_cli() { REDISCLI_AUTH=$REDIS_PASSWORD redis-cli -s "$RUN/redis.sock" "$@"; }

# ---- the FastCGI pools: spawn-fcgi makes the socket, hold.sh keeps it, multiwatch has the workers ----
start_pool() { # NAME WORKERS PROGRAM
	local name=$1 workers=$2 program=$3 fd
	init_web
	if ! running "$name-socket"; then
		rm -f "$RUN/$name.orders" "$RUN/$name.sock"
		mkfifo -m 600 "$RUN/$name.orders"
		spawn "$name-socket" spawn-fcgi -n -s "$RUN/$name.sock" -M 0660 "${SOCKET_GROUP[@]}" -b 1024 -- \
			"$TOP/tools/dev/hold.sh" "$RUN/$name.orders" "$RUN/$name.pid"
	fi
	rm -f "$RUN/$name.pid"
	exec {fd}<>"$RUN/$name.orders" # open until it was read: a fifo that nobody has open forgets
	echo "$(command -v multiwatch) -f $workers -r 1000 -t 1000 -- $program -c $CONF" >&"$fd"
	wait_until 20 test -s "$RUN/$name.pid" || :
	exec {fd}>&-
	[[ ! -s $RUN/$name.pid ]] || started_at "$(<"$RUN/$name.pid")" >"$RUN/$name.start"
}
start_api() { start_pool api "$API_WORKERS" "$BUILD/cgi-bin/api.fcgi"; }
start_events() { start_pool events 1 "$BUILD/cgi-bin/events.fcgi"; }
answers_api() { [[ -S $RUN/api.sock ]]; }
answers_events() { [[ -S $RUN/events.sock ]]; }

start_relay() { spawn relay "$BUILD/dapur-relay" -c "$CONF"; }
answers_relay() { running relay; }

# ---- websocketd: a process of ours per connection -------------------------------------
start_websocketd() {
	local forks=$(($(ulimit -n) / 5)) pass=PATH,LD_LIBRARY_PATH
	[[ $forks -lt 4000 ]] || forks=4000
	[[ -z ${ASAN_OPTIONS:-} ]] || pass+=,ASAN_OPTIONS,UBSAN_OPTIONS
	ALONE=()
	[[ $WEB != websocketd ]] || websocketd_alone
	spawn websocketd websocketd --address=127.0.0.1 --port="$WS_PORT" --loglevel=error \
		--maxforks="$forks" --passenv="$pass" "${ALONE[@]}" "$BUILD/ws/dapur-stream" -c "$CONF"
}
answers_websocketd() { port_taken "$WS_PORT"; }
