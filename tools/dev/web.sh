# web.sh: the web servers that Dapur may stand behind. Each runs its site file as people copy it, but for paths and
# ports, in a private server configuration. Sourced by ./dev.
# shellcheck shell=bash disable=SC2034

# Per front: what runs beside PostgreSQL, Redis and the relay.
declare -A FRONTS=(
	[nginx]='api events websocketd nginx'
	[apache]='api events websocketd apache'
	[fcgid]='websocketd fcgid'
	[cgi]='websocketd cgi'
	[lighttpd]='api events websocketd lighttpd'
	[websocketd]='websocketd'
)
WEB=nginx

# use_front NAME: SERVICES, in the order in which they start.
use_front() {
	WEB=$1
	# shellcheck disable=SC2206 # words
	SERVICES=(postgres redis relay ${FRONTS[$WEB]})
}

# Apache does not serve as root; its user then has to reach sockets, programs and pages.
init_web() {
	WEB_USER=$(id -un) WEB_GROUP=$(id -gn)
	WEB_AS=() SOCKET_GROUP=()
	[[ $EUID -eq 0 ]] || return 0
	WEB_USER=www-data WEB_GROUP=www-data
	WEB_AS=(setpriv --reuid="$WEB_USER" --regid="$WEB_GROUP" --clear-groups --)
	SOCKET_GROUP=(-G "$WEB_GROUP")
}

# What a site file is told: W_DIR where the server lives, W_PORT, W_TLS, W_RUN (sockets), W_WS (port), W_CONF, W_PAGES,
# W_PROGRAMS.
front_of_stack() {
	W_DIR=$VAR/$1 W_PORT=$WEB_PORT W_TLS='' W_RUN=$RUN W_WS=$WS_PORT W_CONF=$CONF
	prepare_front
}

# Where Apache's user cannot go (a checkout in /root), it gets copies.
prepare_front() {
	init_web
	W_PAGES=$TOP/www W_PROGRAMS=$BUILD/cgi-bin
	if ! "${WEB_AS[@]}" test -r "$TOP/www/index.html" -a -x "$BUILD/cgi-bin/api.fcgi" -a -x "$VAR"; then
		W_DIR=$(mktemp -d /var/tmp/dapur-web.XXXXXX)
		chmod 711 "$W_DIR"
		mkdir -p "$W_DIR/cgi-bin"
		cp -r "$TOP/www" "$W_DIR/"
		cp "$BUILD/cgi-bin/"*.fcgi "$W_DIR/cgi-bin/"
		cp "$BUILD/dapur" "$W_DIR/"
		W_PAGES=$W_DIR/www W_PROGRAMS=$W_DIR/cgi-bin
	fi
	mkdir -p "$W_DIR"
}

# ---- nginx -------------------------------------------------------------------------------
conf_nginx() {
	local mime=/etc/nginx/mime.types listen=127.0.0.1:$W_PORT${W_TLS:+ ssl} log=$LOG/access.log
	[[ -z $W_TLS ]] || log=off
	sed -e "s|listen 80;|listen $listen;|" \
		-e "s|unix:/run/dapur/|unix:$W_RUN/|" \
		-e "s|127\.0\.0\.1:7851|127.0.0.1:$W_WS|" \
		-e "s|/usr/local/share/dapur/www|$W_PAGES|" "${W_SED[@]}" \
		"$TOP/nginx/dapur.conf" >"$W_DIR/site.conf"
	{
		[[ $EUID -ne 0 ]] || echo 'user root;'
		cat <<-CONF
			worker_processes 2;
			daemon off;
			pid $W_DIR/pid;
			error_log stderr warn;
			worker_rlimit_nofile $(ulimit -n);
			events { worker_connections 8192; }
			http {
			    include $mime;
			    types { text/javascript mjs; }
			    access_log $log;
			    sendfile on;
			    tcp_nodelay on;
			    client_body_temp_path $W_DIR/body;
			    proxy_temp_path $W_DIR/proxy;
			    fastcgi_temp_path $W_DIR/fastcgi;
			    uwsgi_temp_path $W_DIR/uwsgi;
			    scgi_temp_path $W_DIR/scgi;
			    include $W_DIR/site.conf;
			}
		CONF
	} >"$W_DIR/nginx.conf"
	W_COMMAND=(nginx -e stderr -c "$W_DIR/nginx.conf")
}

# ---- Apache, three ways ------------------------------------------------------------------
conf_apache() { apache proxy proxy_fcgi; }
conf_fcgid() { apache fcgid fcgid; }
conf_cgi() { apache cgi cgid; }

# A bare Apache and a folder that somebody uploaded; nothing of ours runs. One database log-in has both roles.
conf_shared() {
	local home=$W_DIR/home
	"$TOP/apache/shared-hosting/pack" "$home" "$BUILD/cgi-bin" "$TOP/www" >/dev/null
	owner_psql -q -v pw="$PG_APP_PASSWORD" <<-'SQL'
		SELECT 'CREATE ROLE dapur_hosted' WHERE NOT EXISTS
		    (SELECT FROM pg_roles WHERE rolname = 'dapur_hosted') \gexec
		ALTER ROLE dapur_hosted LOGIN PASSWORD :'pw';
		GRANT dapur_app, dapur_relay TO dapur_hosted;
	SQL
	sed -i -e "s|^database = .*|database = host=127.0.0.1 port=$PG_PORT dbname=dapur user=dapur_hosted password=$PG_APP_PASSWORD|" \
		-e "s|^secret = .*|secret = $TICKET_SECRET|" \
		-e "s|^public_url = .*|public_url = http://127.0.0.1:$W_PORT|" "$home/dapur/dapur.conf"
	[[ $EUID -ne 0 ]] || chown -R "$WEB_USER" "$home"
	apache_server cgid rewrite headers
	cat >>"$W_DIR/apache.conf" <<-CONF
		DocumentRoot $home/public_html
		<Directory $home/public_html>
		    AllowOverride All
		    Require all granted
		</Directory>
	CONF
}

# apache SITE MODULE: apache/dapur-SITE.conf with what it asks a2enmod for.
apache() {
	local site=$1 module
	shift
	readable_conf
	sed -e "s|<VirtualHost \*:80>|<VirtualHost 127.0.0.1:$W_PORT>|" \
		-e "s|unix:/run/dapur/|unix:$W_RUN/|" \
		-e "s|127\.0\.0\.1:7851|127.0.0.1:$W_WS|" \
		-e "s|/usr/local/share/dapur/www|$W_PAGES|" \
		-e "s|/usr/local/libexec/dapur|$W_PROGRAMS|" \
		-e "s|/etc/dapur/dapur.conf|$W_DIR/readable.conf|" "${W_SED[@]}" \
		"$TOP/apache/dapur-$site.conf" >"$W_DIR/site.conf"
	apache_server proxy proxy_http proxy_wstunnel rewrite headers unique_id ${W_TLS:+ssl} "$@"
	echo "Include $W_DIR/site.conf" >>"$W_DIR/apache.conf"
}

# A bare Apache with these modules beside what every Apache has.
apache_server() {
	local module modules=/usr/lib/apache2/modules
	[[ -d $modules ]] || modules=$(dirname "$(find /usr -name mod_mpm_event.so -print -quit)")
	[[ $EUID -ne 0 ]] || chown "$WEB_USER" "$W_DIR"
	{
		for module in mpm_event authz_core unixd mime dir alias env setenvif reqtimeout filter "$@"; do
			echo "<IfModule !${module}_module>"
			echo "    LoadModule ${module}_module $modules/mod_$module.so"
			echo "</IfModule>"
		done
		cat <<-CONF
			ServerRoot $W_DIR
			ServerName 127.0.0.1
			DefaultRuntimeDir $W_DIR
			PidFile $W_DIR/pid
			ErrorLog /dev/stderr
			LogLevel warn
			Listen 127.0.0.1:$W_PORT
			Mutex file:$W_DIR default
			TypesConfig /etc/mime.types
			ServerTokens Prod
			StartServers 2
			ServerLimit 16
			ThreadsPerChild 64
			MaxRequestWorkers 1024
			AsyncRequestWorkerFactor 2
			KeepAliveTimeout 60
			<Directory />
			    AllowOverride None
			    Require all denied
			</Directory>
			<IfModule mod_cgid.c>
			    ScriptSock $W_DIR/cgid
			</IfModule>
			<IfModule mod_fcgid.c>
			    FcgidIPCDir $W_DIR/ipc
			    FcgidProcessTableFile $W_DIR/fcgid_shm
			</IfModule>
			<IfModule mod_ssl.c>
			    SSLSessionCache none
			</IfModule>
		CONF
		[[ $EUID -ne 0 ]] || printf 'User %s\nGroup %s\n' "$WEB_USER" "$WEB_GROUP"
	} >"$W_DIR/apache.conf"
	W_COMMAND=(apache2 -d "$W_DIR" -f "$W_DIR/apache.conf" -D FOREGROUND)
}

# The settings as a program of Apache's user may read them: Redis over TCP, its socket is ours alone.
readable_conf() {
	(
		umask 077
		sed "s|^redis = unix:.*|redis = 127.0.0.1:$REDIS_PORT|" "$W_CONF" >"$W_DIR/readable.conf"
		[[ $EUID -ne 0 ]] || chown "$WEB_USER" "$W_DIR/readable.conf"
	)
}

# ---- lighttpd ------------------------------------------------------------------------------
conf_lighttpd() {
	sed -e "s|^server.port .*|server.port = $W_PORT|" \
		-e "s|\"/run/dapur/|\"$W_RUN/|" \
		-e "s|\"port\" => 7851|\"port\" => $W_WS|" \
		-e "s|/usr/local/share/dapur/www|$W_PAGES|" \
		-e "s|/usr/local/share/dapur/errors|$TOP/lighttpd/errors|" "${W_SED[@]}" \
		"$TOP/lighttpd/dapur.conf" >"$W_DIR/site.conf"
	cat >"$W_DIR/lighttpd.conf" <<-CONF
		server.bind = "127.0.0.1"
		server.errorlog = "/dev/stderr"
		server.upload-dirs = ( "$W_DIR" )
		server.max-fds = 4096
		server.pid-file = "$W_DIR/pid"
		mimetype.assign = ( ".html" => "text/html", ".js" => "text/javascript", ".mjs" => "text/javascript",
		    ".css" => "text/css", ".svg" => "image/svg+xml" )
	CONF
	[[ -z $W_TLS ]] || echo 'server.modules += ( "mod_openssl" )' >>"$W_DIR/lighttpd.conf"
	echo "include \"$W_DIR/site.conf\"" >>"$W_DIR/lighttpd.conf"
	W_COMMAND=(lighttpd -D -f "$W_DIR/lighttpd.conf")
}

# ---- websocketd alone ------------------------------------------------------------------------
# websocketd_alone: its further arguments: pages and programs, on the web port.
websocketd_alone() {
	W_DIR=$VAR/websocketd
	"$TOP/websocketd/make-demo" "$W_DIR" "$CONF" "$BUILD/cgi-bin" "$TOP/www"
	WS_PORT=$WEB_PORT
	ALONE=(--cgidir="$W_DIR/cgi" --staticdir="$W_DIR/www")
}

conf_websocketd() {
	"$TOP/websocketd/make-demo" "$W_DIR" "$W_CONF" "$W_PROGRAMS" "$W_PAGES"
	W_COMMAND=(websocketd --address=127.0.0.1 --port="$W_PORT" --loglevel=error --maxforks=400)
	[[ -z $W_TLS ]] || W_COMMAND+=(--ssl --sslcert="$W_DIR/cert.pem" --sslkey="$W_DIR/key.pem")
	W_COMMAND+=(--cgidir="$W_DIR/cgi" --staticdir="$W_DIR/www" "$BUILD/ws/dapur-stream" -c "$W_CONF")
}

# ---- one beside the stack: ./dev web NAME -------------------------------------------------
# own_settings SED-ARGUMENT...: a settings file of this front, and (own_chain) services that have it.
own_settings() {
	local conf=$W_DIR/dapur.conf
	(umask 077 && sed "$@" "$W_CONF" >"$conf.new" && mv "$conf.new" "$conf")
	W_CONF=$conf
}

own_chain() { # NAME
	[[ " ${FRONTS[$1]:-} " != *' api '* ]] || {
		own_pool 2
		beside spawn-fcgi -n -s "$W_RUN/events.sock" -M 0660 "${SOCKET_GROUP[@]}" -- \
			"$BUILD/cgi-bin/events.fcgi" -c "$W_CONF"
	}
	[[ $1 != websocketd ]] || return 0
	W_WS=$(free_port)
	beside websocketd --address=127.0.0.1 --port="$W_WS" --loglevel=error --maxforks=50 \
		"$BUILD/ws/dapur-stream" -c "$W_CONF"
}

# A certificate, and settings with an https address.
tls_for_front() {
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 \
		-keyout "$W_DIR/key.pem" -out "$W_DIR/cert.pem" 2>/dev/null
	cat "$W_DIR/key.pem" "$W_DIR/cert.pem" >"$W_DIR/both.pem"
	chmod 644 "$W_DIR"/*.pem
	own_settings -e "s|^public_url = .*|public_url = https://127.0.0.1:$W_PORT|" -e '/^allowed_origins/d'
	W_SED+=(-e 's|#tls ||' -e "s|/etc/ssl/certs/dapur.pem|$W_DIR/cert.pem|"
		-e "s|/etc/ssl/private/dapur.key|$W_DIR/key.pem|"
		-e "s|/etc/ssl/private/dapur-with-key.pem|$W_DIR/both.pem|")
}

# own_pool N [BACKLOG]: actions that only this front has.
own_pool() {
	W_RUN=$W_DIR
	beside spawn-fcgi -n -s "$W_RUN/api.sock" -M 0660 -b "${2:-1024}" "${SOCKET_GROUP[@]}" -- \
		"$(command -v multiwatch)" -f "$1" -r 1000 -t 1000 -- "$W_PROGRAMS/api.fcgi" -c "$W_CONF"
	echo "${BESIDE[-1]}" >"$W_DIR/api.pid"
	wait_until 20 test -S "$W_RUN/api.sock"
}

BESIDE=()
beside() {
	"$@" </dev/null &
	BESIDE+=($!)
}

end_beside() {
	trap - EXIT
	kill -TERM "${BESIDE[@]}" 2>/dev/null || :
	wait "${BESIDE[@]}" 2>/dev/null || :
	rm -rf "${W_DIR:?}"
}

# Runs until Ctrl-C, or, with --until-eof, until its standard input ends.
cmd_web() {
	local name=${1:-} arg port='' eof='' pool='' programs='' settings=()
	W_TLS='' W_SED=()
	[[ -n ${FRONTS[$name]:-} || $name == shared ]] || die "web: which? (${!FRONTS[*]} shared)"
	shift
	for arg; do
		case $arg in
		--port=*) port=${arg#--port=} ;;
		--tls) W_TLS=1 ;;
		--pool=*) pool=${arg#--pool=} ;; # N[,BACKLOG]
		--programs=*) programs=${arg#--programs=} ;; # others in the place of ours
		--until-eof) eof=1 ;;
		--conf=*) settings+=(-e "\$ a ${arg#--conf=}") ;; # a line of dapur.conf
		--site=*) W_SED+=(-e "${arg#--site=}") ;;         # a change of the site file, by sed
		*) die "web: unknown argument $arg" ;;
		esac
	done
	load_settings
	all_running || die "the stack is not up: ./dev up"
	W_DIR=$(mktemp -d "$RUN/web.XXXXXX")
	chmod 711 "$W_DIR"
	trap end_beside EXIT
	trap 'exit 0' INT TERM
	W_PORT=${port:-$(free_port)} W_RUN=$RUN W_WS=$WS_PORT W_CONF=$CONF
	prepare_front
	W_PROGRAMS=${programs:-$W_PROGRAMS}
	[[ -z $W_TLS ]] || tls_for_front
	# nobody stands before websocketd alone
	[[ $name != websocketd ]] || own_settings -e '/^trusted_proxy/d' -e "\$ a trusted_proxy = 0" \
		-e "s|^public_url = .*|public_url = http${W_TLS:+s}://127.0.0.1:$W_PORT|"
	[[ ${#settings[@]} -eq 0 ]] || own_settings "${settings[@]}"
	[[ $W_CONF == "$CONF" ]] || own_chain "$name"
	# shellcheck disable=SC2086 # two words
	[[ -z $pool ]] || own_pool ${pool/,/ }
	"conf_$name"
	beside "${W_COMMAND[@]}" >>"$W_DIR/log" 2>&1 # a file: Apache and lighttpd open /dev/stderr by name
	wait_until 20 port_taken "$W_PORT" || {
		tail -n 15 "$W_DIR/log" >&2
		die "$name did not start"
	}
	echo "http${W_TLS:+s}://127.0.0.1:$W_PORT ${BESIDE[-1]} $W_DIR"
	if [[ -n $eof ]]; then
		exec 3<&0
		cat <&3 >/dev/null &
		BESIDE+=($!)
		wait -n "${BESIDE[@]}" || :
	else
		wait -n "${BESIDE[@]}" || :
	fi
}

# ---- as services of the stack ---------------------------------------------------------------
start_front() {
	W_SED=()
	front_of_stack "$1"
	"conf_$1"
	spawn "$1" "${W_COMMAND[@]}"
}
start_nginx() { start_front nginx; }
start_apache() { start_front apache; }
start_fcgid() { start_front fcgid; }
start_cgi() { start_front cgi; }
start_lighttpd() { start_front lighttpd; }
answers_nginx() { port_taken "$WEB_PORT"; }
answers_apache() { answers_nginx; }
answers_fcgid() { answers_nginx; }
answers_cgi() { answers_nginx; }
answers_lighttpd() { answers_nginx; }
