# build.sh: configure and make, out of tree. Sourced by ./dev, under its set -e.
# shellcheck shell=bash disable=SC2164,SC1091

cmd_build() {
	need_packages up
	build
}

cmd_format() {
	local files
	mapfile -t files < <(cd "$TOP" && git ls-files -co --exclude-standard -- '*.c' '*.h')
	cd "$TOP"
	clang-format -i "${files[@]}"
}

# The output goes to a log; its end is shown when it failed.
logged() {
	local log=$1
	shift
	"$@" >>"$log" 2>&1 </dev/null || {
		tail -n 30 "$log" >&2
		die "failed: $*; the whole output is in $log"
	}
}

build() {
	mkdir -p "$BUILD" "$TOP/var"
	[[ ! -f $TOP/config.status ]] ||
		die "the source tree itself is configured: run make distclean there first"
	local log=$LOG/build-${BUILD##*/}.log
	: >"$log"
	with_lock "$TOP/var/autoreconf.lock" autoreconf_if_needed "$log"
	with_lock "$BUILD/.lock" configure_and_make "$log"
}

autoreconf_if_needed() {
	local made=$TOP/configure
	[[ ! $made -nt $TOP/configure.ac || ! $TOP/Makefile.in -nt $TOP/Makefile.am ||
		! $TOP/Makefile.in -nt $TOP/configure.ac ]] || return 0
	step "autoreconf"
	logged "$1" autoreconf -fi "$TOP"
	touch "$TOP/Makefile.in" "$TOP/configure"
}

# How a build directory was configured is kept in its .flags; asked for nothing, it stays so.
configure_and_make() {
	local flags
	cd "$BUILD"
	if [[ -f .flags && -z ${CC:-}${CFLAGS:-}${DAPUR_CONFIGURE:-} ]]; then
		. ./.flags
	fi
	flags=$(printf '%s=%q\n' CC "${CC:-}" CFLAGS "${CFLAGS:-}" DAPUR_CONFIGURE "${DAPUR_CONFIGURE:-}")
	if [[ ! -f config.status || $TOP/configure -nt config.status || $(cat .flags) != "$flags" ]]; then
		step "configure ${DAPUR_CONFIGURE:-} in ${BUILD#"$TOP"/}"
		# shellcheck disable=SC2086 # several words are meant
		logged "$1" "$TOP/configure" -q ${CC:+CC="$CC"} ${CFLAGS:+CFLAGS="$CFLAGS"} ${DAPUR_CONFIGURE:-}
		echo "$flags" >.flags
	fi
	make -q all >/dev/null 2>&1 || {
		step "make in ${BUILD#"$TOP"/}"
		logged "$1" make -j2 all
	}
	cd "$TOP"
}
