# packages.sh: what the parts need, and installing what is missing. Sourced by ./dev.
# shellcheck shell=bash

# One need a line: package, then (optional) a command or file that satisfies it however it got there.
NEEDS_UP='
autoconf            autoconf
autoconf-archive    /usr/share/aclocal/ax_append_compile_flags.m4
automake            automake
gcc                 gcc
libc6-dev           /usr/include/stdlib.h
make                make
pkg-config          pkg-config
libpq-dev
libjson-c-dev
libhiredis-dev
libsodium-dev
libfcgi-dev
libcrypt-dev        /usr/include/crypt.h
postgresql          /usr/lib/postgresql/*/bin/postgres
redis-server        redis-server
nginx-light         nginx
spawn-fcgi          spawn-fcgi
multiwatch          multiwatch
websocketd          websocketd
curl                curl
util-linux          setpriv
procps              pgrep
'
# The other web servers: for the one that is asked for, and for the tests all of them.
declare -A NEEDS_FRONT=(
	[nginx]='' [websocketd]=''
	[apache]='apache2-bin apache2'
	[cgi]='apache2-bin apache2'
	[fcgid]='libapache2-mod-fcgid /usr/lib/apache2/modules/mod_fcgid.so'
	[lighttpd]='lighttpd lighttpd'
)
NEEDS_TEST='
lighttpd-mod-openssl /usr/lib/lighttpd/mod_openssl.so
libcmocka-dev
clang               clang
clang-format        clang-format
libclang-rt-dev     /usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a
valgrind            valgrind
man-db              man
shellcheck          shellcheck
openssl             openssl
systemd             systemd-analyze
fonts-dejavu-core   /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf
chromium            chromium
'

NEEDS_BENCH='
wrk                 wrk
'

# need_met PACKAGE [COMMAND-OR-FILE]
need_met() {
	case ${2:-} in
	'') dpkg-query -W -f='${db:Status-Abbrev}' "$1" 2>/dev/null | grep -q '^ii' ;;
	/*) compgen -G "$2" >/dev/null ;;
	*) command -v "$2" >/dev/null ;;
	esac
}

node_is_new_enough() {
	command -v node >/dev/null && command -v npm >/dev/null &&
		[[ $(node -p 'process.versions.node.split(".")[0]') -ge 18 ]]
}

# Prints the packages that are missing for `up`, `test` or `bench`.
missing_packages() {
	local needs=$NEEDS_UP${NEEDS_FRONT[$WEB]} package proof front
	[[ $1 != bench ]] || needs+=$NEEDS_BENCH
	if [[ $1 == test ]]; then
		needs+=$NEEDS_TEST
		for front in "${!NEEDS_FRONT[@]}"; do
			needs+=${NEEDS_FRONT[$front]}$'\n'
		done
	fi
	while read -r package proof; do
		[[ -z $package ]] || need_met "$package" "$proof" || echo "$package"
	done <<<"$needs"
	[[ $1 == up ]] || node_is_new_enough || printf 'nodejs\nnpm\n'
}

# Where distributions differ in a name.
package_name() {
	local n
	case $1 in
	libclang-rt-dev) # clang's own version; before 14.0.6 it was part of libclang-common
		n=$(apt-cache depends clang 2>/dev/null | sed -n 's/.*Depends: clang-\([0-9]*\)$/\1/p')
		if apt-cache show "libclang-rt-${n:-14}-dev" >/dev/null 2>&1; then
			echo "libclang-rt-${n:-14}-dev"
		else
			echo "libclang-common-${n:-14}-dev"
		fi
		;;
	*) echo "$1" ;;
	esac
}

package_names() { for package; do package_name "$package"; done; }

as_root() {
	if [[ $EUID -eq 0 ]]; then "$@"; else sudo "$@"; fi
}

# need_packages up|test|bench: returns when they are there.
need_packages() {
	local missing
	mapfile -t missing < <(missing_packages "$1")
	[[ ${#missing[@]} -gt 0 ]] || return 0
	command -v apt-get >/dev/null ||
		die "these are missing, and there is no apt-get here to install them: ${missing[*]}"
	if [[ $EUID -ne 0 ]] && ! command -v sudo >/dev/null; then
		die "missing: ${missing[*]}
install them as root, then try again:
  apt-get install -y --no-install-recommends $(package_names "${missing[@]}" | paste -sd' ')"
	fi
	step "installing ${#missing[@]} packages: ${missing[*]}"
	with_lock "$LOG/apt.lock" install_packages "${missing[@]}" ||
		die "apt-get failed; its output is in $LOG/apt.log"
	mapfile -t missing < <(missing_packages "$1")
	[[ ${#missing[@]} -eq 0 ]] || die "still missing after apt-get: ${missing[*]}"
	hash -r
}

# Installs without starting or making any system service: a policy file that says no, and a word to
# postgresql-common that no cluster is wanted. Both are there only meanwhile.
install_packages() (
	policy=/usr/sbin/policy-rc.d
	cluster=/etc/postgresql-common/createcluster.d/dapur-dev.conf
	made=()
	trap '[[ ${#made[@]} -eq 0 ]] || as_root rm -f "${made[@]}"' EXIT
	trap 'exit 130' INT TERM
	if [[ ! -e $policy ]]; then
		made+=("$policy")
		printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
		as_root chmod 755 "$policy"
	fi
	made+=("$cluster")
	as_root mkdir -p "${cluster%/*}"
	echo 'create_main_cluster = false' | as_root tee "$cluster" >/dev/null

	# shellcheck disable=SC2046 # names of packages, one word each
	as_root apt-get update -q </dev/null 2>&1 | progress &&
		as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
			--no-install-recommends $(package_names "$@") </dev/null 2>&1 | progress
)

# All of it into the log, a line now and then to the person.
progress() {
	tee -a "$LOG/apt.log" | awk '
		/^Need to get|newly installed|^E:|^W:/ { print "    " $0; fflush() }
		/^Setting up/ && ++n % 20 == 0 { print "    set up " n " packages so far"; fflush() }'
}
