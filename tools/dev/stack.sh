# stack.sh: the whole chain: settings, database, up, down, env. Sourced by ./dev.
# shellcheck shell=bash disable=SC1091

FRONT= # asked for by up; else what runs, or ran last
CONF= # set once the places are known
DEMO_PASSWORD=dapur-demo
DEMO_WHO=(kepala admin produksi dapur qc gizi akuntan viewer)

# ---- what is chosen once: passwords, ports ----------------------------------------------
load_settings() {
	CONF=$ETC/dapur.conf
	[[ ! -f $ETC/secrets ]] || . "$ETC/secrets"
	[[ ! -f $ETC/ports ]] || . "$ETC/ports"
	use_front "${FRONT:-${WEB:-nginx}}"
	ulimit -S -n "$(ulimit -H -n)"
}

make_secrets() {
	[[ ! -f $ETC/secrets ]] || return 0
	local name
	(
		umask 077
		for name in PG_SUPER_PASSWORD PG_OWNER_PASSWORD PG_APP_PASSWORD PG_RELAY_PASSWORD \
			REDIS_PASSWORD TICKET_SECRET; do
			echo "$name=$(random_hex 24)"
		done >"$ETC/secrets"
	)
}

# The web port: PORT, else 8080, else what it was before, else any free one.
choose_web_port() {
	local port
	if [[ ${PORT:-} == 0 ]]; then
		free_port
	elif [[ -n ${PORT:-} ]]; then
		! port_taken "$PORT" || die "port $PORT is taken; choose another with PORT="
		echo "$PORT"
	else
		for port in 8080 "${WEB_PORT:-8080}" "$(free_port)"; do
			port_taken "$port" || break
		done
		[[ $port == 8080 ]] || say "    port 8080 is taken; using $port" >&2
		echo "$port"
	fi
}

keep_or_free() {
	if [[ -n $1 ]] && ! port_taken "$1"; then echo "$1"; else free_port; fi
}

# Only while nothing runs: whoever runs keeps the ports it was told.
choose_ports() {
	WEB_PORT=$(choose_web_port)
	PG_PORT=$(keep_or_free "${PG_PORT:-}")
	PORTS_GIVEN="$WEB_PORT $PG_PORT"
	REDIS_PORT=$(keep_or_free "${REDIS_PORT:-}")
	PORTS_GIVEN+=" $REDIS_PORT"
	WS_PORT=$(keep_or_free "${WS_PORT:-}")
	printf '%s\n' "WEB_PORT=$WEB_PORT" "PG_PORT=$PG_PORT" "REDIS_PORT=$REDIS_PORT" \
		"WS_PORT=$WS_PORT" "WEB=$WEB" >"$ETC/ports"
}

conninfo() { # ROLE PASSWORD
	echo "host=$RUN/pg port=$PG_PORT dbname=dapur user=$1 password=$2 sslmode=disable gssencmode=disable"
}

write_conf() {
	(
		umask 077
		cat >"$CONF" <<-CONF
			# Made by ./dev; see dapur.conf(5).
			database = $(conninfo dapur_app "$PG_APP_PASSWORD")
			relay_database = $(conninfo dapur_relay "$PG_RELAY_PASSWORD")
			owner_database = $(conninfo dapur_owner "$PG_OWNER_PASSWORD")
			redis = unix:$RUN/redis.sock
			redis_password = $REDIS_PASSWORD
			secret = $TICKET_SECRET
			public_url = http://127.0.0.1:$WEB_PORT
			allowed_origins = http://localhost:$WEB_PORT
		CONF
		# nobody stands between the client and websocketd alone
		[[ $WEB != websocketd ]] || echo 'trusted_proxy = 0' >>"$CONF"
		[[ -z ${DAPUR_EXTRA_CONF:-} ]] || printf '%s\n' "$DAPUR_EXTRA_CONF" >>"$CONF"
	)
}

# ---- the database -------------------------------------------------------------------------
super_psql() {
	PGPASSWORD=$PG_SUPER_PASSWORD "$(pg_bin psql)" -X -q -v ON_ERROR_STOP=1 \
		-h "$RUN/pg" -p "$PG_PORT" -U postgres -d postgres "$@"
}

owner_psql() {
	PGPASSWORD=$PG_OWNER_PASSWORD "$(pg_bin psql)" -X -v ON_ERROR_STOP=1 \
		-h "$RUN/pg" -p "$PG_PORT" -U dapur_owner -d dapur "$@"
}

# once NAME COMMAND...: until it has succeeded in this cluster.
once() {
	local mark=$PGDIR/$1.done
	shift
	[[ ! -e $mark ]] || return 0
	"$@"
	: >"$mark"
}

# The owner makes the schema and the other roles; it may make roles, and owns nothing else.
make_owner() {
	super_psql -v pw="$PG_OWNER_PASSWORD" <<-'SQL'
		SELECT 'CREATE ROLE dapur_owner' WHERE NOT EXISTS
		    (SELECT FROM pg_roles WHERE rolname = 'dapur_owner') \gexec
		ALTER ROLE dapur_owner LOGIN CREATEROLE PASSWORD :'pw';
		SELECT 'CREATE DATABASE dapur OWNER dapur_owner' WHERE NOT EXISTS
		    (SELECT FROM pg_database WHERE datname = 'dapur') \gexec
	SQL
}

# The migrations make dapur_app and dapur_relay without a password: here they get one.
let_roles_in() {
	super_psql -v app="$PG_APP_PASSWORD" -v relay="$PG_RELAY_PASSWORD" <<-'SQL'
		SELECT format('ALTER ROLE %I LOGIN PASSWORD %L', role, pw)
		FROM (VALUES ('dapur_app', :'app'), ('dapur_relay', :'relay')) AS t(role, pw)
		JOIN pg_roles ON rolname = role \gexec
	SQL
}

load_demo() {
	step "loading the demo kitchens"
	owner_psql -q -1 -f "$TOP/sql/demo.sql" >>"$LOG/demo.log" 2>&1 || {
		tail -n 15 "$LOG/demo.log" >&2
		die "sql/demo.sql failed; its output is in $LOG/demo.log"
	}
}

setup_database() {
	once owner make_owner
	logged "$LOG/migrate.log" "$BUILD/dapur" -c "$CONF" migrate --dir="$TOP/sql/migrations"
	once roles let_roles_in
	once demo load_demo
}

# ---- up -----------------------------------------------------------------------------------
any_running() {
	local name
	for name in "${SERVICES[@]}"; do
		! running "$name" || return 0
	done
	return 1
}

all_running() {
	local name
	for name in "${SERVICES[@]}"; do
		running "$name" || ! exists "$name" || return 1
	done
}

chain_ready() { [[ $(curl -s -o /dev/null -m 3 -w '%{http_code}' "$(url)/api/ready") == 200 ]]; }

# Without a cookie the stream says why it ends, in one frame; the front opens it, or refuses.
# (curl does not do the upgrade; bash does, with a deadline per read.)
stream_ready() (
	LC_ALL=C
	upgrade "$WS_PORT" || exit 1
	[[ $line == *' 101 '* ]] || exit 1
	while IFS= read -r -t 3 -u "$fd" line && [[ $line != $'\r' ]]; do :; done
	IFS= read -r -t 3 -d '}' -u "$fd" frame || :
	[[ $frame == *'"type"'* ]] || exit 1
	exec {fd}>&-
	upgrade "$WEB_PORT" || exit 1
	[[ $line == *' 101 '* || $line == *' 40'[13]' '* ]] # it may refuse a stranger before it opens one
) 2>/dev/null

# upgrade PORT: asks for /api/ws; fd is the connection, line the first of the answer.
upgrade() {
	exec {fd}<>"/dev/tcp/127.0.0.1/$1" || return 1
	printf '%s\r\n' 'GET /api/ws HTTP/1.1' "Host: 127.0.0.1:$1" "Origin: $(url)" \
		'Connection: Upgrade' 'Upgrade: websocket' 'Sec-WebSocket-Version: 13' \
		'Sec-WebSocket-Key: ZGFwdXItZGV2LXByb2JlIQ==' '' >&"$fd"
	IFS= read -r -t 5 -u "$fd" line
}

url() { echo "http://127.0.0.1:$WEB_PORT"; }

# wait_chain WHAT PROBE LOG...: or show the logs' ends.
wait_chain() {
	local what=$1 probe=$2 name
	shift 2
	wait_until 20 "$probe" && return 0
	for name; do
		say "--- the end of $LOG/$name.log"
		tail -n 10 "$LOG/$name.log" 2>/dev/null || :
	done >&2
	die "$what does not answer"
}

start_all() {
	local name
	make_place run /tmp
	make_place pg /var/tmp
	RUN=$(known_place run) PGDIR=$(known_place pg)
	make_secrets
	load_settings
	if ! any_running; then
		choose_ports
		write_conf
	fi
	for name in "${SERVICES[@]}"; do
		start "$name"
		[[ $name != redis ]] || setup_database
	done
	wait_chain "GET $(url)/api/ready" chain_ready api "$WEB"
	wait_chain "the stream at $(url)/api/ws" stream_ready websocketd "$WEB"
}

# change_front NAME [asked]: the front of what is started now. Unasked, what runs keeps its own.
change_front() {
	[[ $1 != "$WEB" ]] || return 0
	if any_running; then
		[[ -n ${2:-} ]] || return 0
		with_lock "$VAR/lock" stop_all
	fi
	FRONT=$1
	use_front "$1"
}

cmd_up() {
	local detach="" web="" arg
	for arg; do
		case $arg in
		--detach | -d) detach=1 ;;
		--web=*) web=${arg#--web=} ;;
		*) die "up: unknown argument $arg" ;;
		esac
	done
	[[ -z $web || -n ${FRONTS[$web]:-} ]] ||
		die "up: no such web server: $web (there is: ${!FRONTS[*]})"
	load_settings
	change_front "${web:-nginx}" ${web:+asked}
	if [[ -n ${WEB_PORT:-} ]] && all_running && chain_ready; then
		say "already up"
		greet
		return 0
	fi
	if [[ -z $detach ]]; then
		trap 'say; exit 0' INT TERM
		trap stop_all EXIT
	fi
	need_packages up
	build
	step "starting ${SERVICES[*]}"
	with_lock "$VAR/lock" start_all
	greet
	[[ -n $detach ]] || watch_over
}

greet() {
	cat <<-TEXT

		Dapur is up at $(url)/
		  log in as   WHO@melati.test or WHO@kenanga.test, password $DEMO_PASSWORD
		  WHO is      ${DEMO_WHO[*]}
		  more        ./dev status, ./dev logs, ./dev psql; ./dev down stops it
	TEXT
}

# In the foreground: until Ctrl-C; says once when a service died.
watch_over() {
	local name
	declare -A told=()
	say "  Ctrl-C stops it all"
	while :; do
		sleep 1 &
		wait $!
		for name in "${SERVICES[@]}"; do
			[[ -z ${told[$name]:-} ]] || continue
			exists "$name" || continue
			! running "$name" || continue
			told[$name]=1
			warn "$name has ended; ./dev start $name starts it again. Its last lines:"
			tail -n 5 "$LOG/$name.log" >&2
		done
	done
}

# ---- down and the small commands ------------------------------------------------------------
cmd_down() {
	load_settings
	if ! any_running; then
		say "nothing of ours is running"
		return 0
	fi
	with_lock "$VAR/lock" stop_all
}

stop_all() {
	local i
	step "stopping"
	for ((i = ${#SERVICES[@]} - 1; i >= 0; i--)); do
		stop "${SERVICES[i]}"
	done
}

# each COMMAND NAME...: for services named by the user.
each() {
	local action=$1 name
	shift
	[[ $# -gt 0 ]] || die "which service? (${SERVICES[*]})"
	load_settings
	for name; do
		[[ " ${SERVICES[*]} " == *" $name "* ]] || die "no such service: $name (${SERVICES[*]})"
		with_lock "$VAR/lock" "$action" "$name"
	done
}

restart() {
	KEEP_SOCKET=1 stop "$1"
	start "$1"
}

cmd_start() { each start "$@"; }
cmd_stop() { each stop "$@"; }
cmd_restart() { each restart "$@"; }

cmd_status() {
	local name state
	load_settings
	for name in "${SERVICES[@]}"; do
		state=stopped
		! running "$name" || state="running, pid $(<"$RUN/$name.pid")"
		exists "$name" || state="not built"
		printf '%-11s %s\n' "$name" "$state"
	done
	[[ -z ${WEB_PORT:-} ]] || printf '%-11s %s\n' web "$(url)/" logs "$LOG"
	all_running
}

cmd_env() {
	local who
	load_settings
	[[ -f $ETC/ports ]] || die "nothing was started yet: ./dev up"
	all_running || warn "not everything is running: ./dev up"
	cat <<-ENV
		URL=$(url)
		WS_URL=ws://127.0.0.1:$WEB_PORT/api/ws
		DATABASE_URL=postgresql://dapur_owner:$PG_OWNER_PASSWORD@127.0.0.1:$PG_PORT/dapur
		APP_DATABASE_URL=postgresql://dapur_app:$PG_APP_PASSWORD@127.0.0.1:$PG_PORT/dapur
		RELAY_DATABASE_URL=postgresql://dapur_relay:$PG_RELAY_PASSWORD@127.0.0.1:$PG_PORT/dapur
		REDIS_URL=redis://:$REDIS_PASSWORD@127.0.0.1:$REDIS_PORT/0
		PGHOST=127.0.0.1
		PGPORT=$PG_PORT
		PGDATABASE=dapur
		PGUSER=dapur_owner
		PGPASSWORD=$PG_OWNER_PASSWORD
		DAPUR_CONF=$CONF
		DAPUR_BIN=$BUILD
		DAPUR_RUN=$RUN
		DAPUR_VAR=$VAR
		DAPUR_LOG=$LOG
		DAPUR_DEV=$TOP/dev
		DAPUR_BUILD_DIR=$BUILD
		DEMO_PASSWORD=$DEMO_PASSWORD
		DEMO_EMAIL=kepala@melati.test
		DEMO_OTHER_EMAIL=kepala@kenanga.test
	ENV
	for who in "${DEMO_WHO[@]}"; do
		echo "DEMO_${who^^}=$who@melati.test"
	done
}

cmd_logs() {
	if [[ $# -eq 0 ]]; then
		tail -n 20 "$LOG"/*.log
	elif [[ -t 1 ]]; then
		tail -n 100 -F "$LOG/$1.log"
	else
		tail -n 100 "$LOG/$1.log"
	fi
}

cmd_psql() {
	load_settings
	owner_psql "$@"
}

cmd_redis() {
	load_settings
	redis_cli "$@"
}

# with_env COMMAND...: with what ./dev env prints, exported.
with_env() (
	set -a
	eval "$("$TOP/dev" env)"
	set +a
	exec "$@"
)

# When a migration was edited while it was being written, say.
cmd_reset() {
	cmd_down
	rm -rf "${PGDIR:?}/data" "$PGDIR"/*.done
	say "the next ./dev up makes the database anew"
}

# Always on a stack of its own: it changes the database it measures.
cmd_bench() {
	need_packages bench
	need_npm
	export DAPUR_VAR=$TOP/var/bench PORT=0
	trap '"$TOP/dev" down' EXIT
	"$TOP/dev" up --detach
	with_env bash "$TOP/tests/bench/run.sh" "$@"
}

# Its stack is its own (var/chaos): everything there is killed again and again.
cmd_chaos() {
	need_packages up
	need_npm
	exec node "$TOP/tests/chaos/run.js" "$@"
}
