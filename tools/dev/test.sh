# test.sh: every suite, counted. Sourced by ./dev.
#
# Two lanes run side by side, one per core of a small machine: the first drives the stack built with
# gcc, the second builds with clang and with sanitizers, drives a stack of its own and fuzzes. A suite
# is a function suite_NAME that prints into its log and calls count PASSED FAILED [SKIPPED].
# shellcheck shell=bash disable=SC2034

LANE_1=(lint unit api live browser chaos)
LANE_2=(clang asan fuzz)
declare -A STACK_OF=([api]=test [live]=test [browser]=test [chaos]=test [asan]=test-asan)
NODE_TIMEOUT_S=${NODE_TIMEOUT_S:-600}
FUZZ_SECONDS=${FUZZ_SECONDS:-30}

cmd_test() {
	local wanted=("$@") name
	[[ $# -gt 0 ]] || wanted=("${LANE_1[@]}" "${LANE_2[@]}")
	for name in "${wanted[@]}"; do
		[[ " ${LANE_1[*]} ${LANE_2[*]} " == *" $name "* ]] ||
			die "no such suite: $name (${LANE_1[*]} ${LANE_2[*]})"
	done
	WANTED=" ${wanted[*]} "
	RESULTS=$VAR/test-results
	rm -rf "$RESULTS"
	mkdir -p "$RESULTS"
	need_packages test
	! wants_any api live browser chaos asan || need_npm
	DAPUR_CONFIGURE="${DAPUR_CONFIGURE:-} --enable-werror" build

	trap 'exit 130' INT TERM
	trap end_lanes EXIT
	step "testing: ${wanted[*]} (logs in $RESULTS)"
	run_lane 1 "${LANE_1[@]}" &
	LANES=($!)
	run_lane 2 "${LANE_2[@]}" &
	LANES+=($!)
	wait "${LANES[@]}" || :
	report
}

wants_any() {
	local name
	for name; do
		[[ $WANTED != *" $name "* ]] || return 0
	done
	return 1
}

# Whatever happens: no lane and no stack of ours stays behind.
end_lanes() {
	local lane stack
	for lane in "${LANES[@]:-}"; do
		[[ -z $lane ]] || kill_tree "$lane"
	done
	for stack in test test-asan test-chaos; do
		[[ ! -f $TOP/var/$stack/etc/ports ]] || stack_down "$stack"
	done
}

kill_tree() {
	local child
	for child in $(pgrep -P "$1"); do
		kill_tree "$child"
	done
	kill -TERM "$1" 2>/dev/null || :
}

# ---- running -----------------------------------------------------------------------------
run_lane() {
	local lane=$1 name stack up=
	shift
	trap - EXIT
	for name; do
		[[ $WANTED == *" $name "* ]] || continue
		[[ ! -e $RESULTS/stop ]] || continue
		stack=${STACK_OF[$name]:-}
		if [[ $stack == test && -z $up ]]; then
			stack_up test "$BUILD" >"$RESULTS/stack-test.log" 2>&1 || {
				tail -n 30 "$RESULTS/stack-test.log"
				failed_suite "$name" 0
				continue
			}
			up=$stack
		fi
		run_suite "$name"
	done
	[[ -z $up ]] || stack_down "$up"
}

run_suite() {
	local name=$1 began=$SECONDS passed=0 failed=0 skipped=0
	# In the background, because a command of an || list has no set -e.
	(
		set -euo pipefail
		"suite_$name"
	) >"$RESULTS/$name.log" 2>&1 </dev/null &
	wait $! || echo "0 0 0 broken" >>"$RESULTS/$name.count"
	[[ -f $RESULTS/$name.count ]] || : >"$RESULTS/$name.count"
	read -r passed failed skipped < <(awk '
		{ p += $1; f += $2; s += $3; broken = broken || $4 == "broken" }
		END { if (broken && !f) f = 1
		      if (!p && !f) f = 1
		      print p + 0, f + 0, s + 0 }' "$RESULTS/$name.count")
	if [[ ${CI:-} == true && $skipped -gt 0 ]]; then
		failed=$((failed + skipped)) # nothing may be skipped there
		skipped=0
	fi
	echo "$passed $failed $skipped" >"$RESULTS/$name.result"
	if [[ $failed -eq 0 ]]; then
		printf '  ok    %-8s %4d passed, %d skipped (%d s)\n' \
			"$name" "$passed" "$skipped" $((SECONDS - began))
	else
		failed_suite "$name" $((SECONDS - began))
	fi
}

failed_suite() {
	local name=$1 passed=0 failed=1 skipped=0
	[[ ! -f $RESULTS/$name.result ]] || read -r passed failed skipped <"$RESULTS/$name.result"
	echo "$passed $failed $skipped" >"$RESULTS/$name.result"
	[[ -n ${TEST_KEEP_GOING:-} ]] || touch "$RESULTS/stop"
	{
		printf '  FAIL  %-8s %4d passed, %d failed (%d s)\n' "$name" "$passed" "$failed" "$2"
		show_failures "$name"
		printf '        all of it: %s\n' "$RESULTS/$name.log"
	} >"$RESULTS/$name.shown" 2>&1
	cat "$RESULTS/$name.shown"
}

# What of a log tells most: the lines that say so, else its end.
show_failures() {
	local log=$RESULTS/$1.log
	[[ -f $log ]] || return 0
	if ! grep -nE '^FAIL|✖|not ok|ERROR:|\[  FAILED  \]|runtime error|[^-]error:' "$log" |
		cut -c1-200 | head -n 30 | sed 's/^/        /'; then
		tail -n 20 "$log" | sed 's/^/        /'
	fi
}

report() {
	local file passed=0 failed=0 p f s name
	for file in "$RESULTS"/*.result; do
		[[ -f $file ]] || continue
		read -r p f s <"$file"
		passed=$((passed + p)) failed=$((failed + f))
	done
	for name in $WANTED; do
		[[ -f $RESULTS/$name.result ]] && continue
		say "  --    $name was not run"
		[[ $failed -gt 0 ]] || failed=1
	done
	end_lanes
	trap - EXIT
	say "$passed passed, $failed failed"
	[[ $failed -eq 0 ]]
}

# count PASSED FAILED [SKIPPED]: adds to the running suite; NAME is inherited from run_suite.
count() { echo "$1 $2 ${3:-0}" >>"$RESULTS/$name.count"; }

# ---- stacks ------------------------------------------------------------------------------
# A fresh one each time: what an earlier run left must not decide anything.
stack_up() {
	stack_down "$1"
	rm -rf "${TOP:?}/var/${1:?}"
	env -u CC -u CFLAGS -u DAPUR_CONFIGURE \
		DAPUR_VAR="$TOP/var/$1" DAPUR_BUILD_DIR="$2" PORT=0 "$TOP/dev" up --detach
}

stack_down() { DAPUR_VAR=$TOP/var/$1 "$TOP/dev" down >/dev/null; }

need_npm() {
	local dir=$TOP/tests
	[[ -f $dir/package-lock.json ]] || return 0
	[[ ! $dir/node_modules/.package-lock.json -nt $dir/package-lock.json ]] || return 0
	step "npm ci in tests/"
	(cd "$dir" && logged "$LOG/npm.log" npm ci --no-audit --no-fund)
	touch "$dir/node_modules/.package-lock.json"
}

# ---- suites ------------------------------------------------------------------------------
suite_lint() {
	local log=$RESULTS/lint.out rc=0
	DAPUR_BIN=$BUILD "$TOP/tools/lint.sh" >"$log" || rc=$?
	cat "$log"
	count "$(grep -c '^ok' "$log" || :)" "$(grep -c '^FAIL' "$log" || :)" \
		"$(grep -c '^skip' "$log" || :)"
	return "$rc"
}

suite_unit() { unit_tests "$BUILD"; }

suite_clang() {
	build_variant clang clang --enable-werror
	unit_tests "$TOP/var/build-clang"
}

# build_variant NAME CC CONFIGURE-ARGUMENT...
build_variant() {
	BUILD=$TOP/var/build-$1
	CC=$2
	shift 2
	DAPUR_CONFIGURE=$* build
}

# One cmocka program each; its own summary says how many tests it ran.
unit_tests() {
	local result log p f s programs=0 rc=0
	rm -f "$1"/tests/unit/*.log "$1"/tests/unit/*.trs
	make -C "$1" -j2 check || rc=$?
	for result in "$1"/tests/unit/*.trs; do
		[[ -f $result ]] || continue
		programs=$((programs + 1))
		log=${result%.trs}.log
		cat "$log"
		read -r p f s < <(awk '
			/^\[  PASSED  \] [0-9]+ test/ { p += $4 }
			/^\[  FAILED  \] [0-9]+ test/ { f += $4 }
			/^\[  SKIPPED \] [0-9]+ test/ { s += $4 }
			END { print p + 0, f + 0, s + 0 }' "$log")
		! grep -q '^:test-result: FAIL' "$result" || [[ $f -gt 0 ]] || f=1
		count "$p" "$f" "$s"
	done
	[[ $programs -gt 0 ]] || echo "FAIL: no unit test was run"
	return "$rc"
}

suite_api() { node_tests api "$TOP/var/test" "$BUILD"; }
suite_live() {
	local rc=0
	node_tests live "$TOP/var/test" "$BUILD" || rc=1
	node_tests live/fronts "$TOP/var/test" "$BUILD" || rc=1
	return "$rc"
}
suite_browser() { node_tests browser "$TOP/var/test" "$BUILD"; }
suite_chaos() { node_tests chaos "$TOP/var/test" "$BUILD"; } # makes a stack of its own, var/test-chaos

# node_tests KIND STACK BUILD: tests/KIND/*.test.js with the environment of that stack.
node_tests() {
	local kind=$1 tap=$RESULTS/$name-${1//\//-}.tap files rc=0
	mapfile -t files < <(cd "$TOP/tests" && compgen -G "$kind/*.test.js")
	[[ ${#files[@]} -gt 0 ]] || {
		echo "FAIL: there is no tests/$kind/*.test.js"
		return 1
	}
	(
		export DAPUR_VAR=$2 DAPUR_BUILD_DIR=$3
		cd "$TOP/tests"
		with_env timeout --foreground "$NODE_TIMEOUT_S" node --test \
			--test-reporter=spec --test-reporter-destination=stdout \
			--test-reporter=tap --test-reporter-destination="$tap" "${files[@]}"
	) || rc=$?
	# shellcheck disable=SC2046 # three numbers
	count $(awk '$1 == "#" && $2 ~ /^(pass|fail|cancelled|skipped)$/ { n[$2] = $3 }
		END { print n["pass"] + 0, n["fail"] + n["cancelled"], n["skipped"] + 0 }' "$tap")
	return "$rc"
}

# Unit, api and live again under AddressSanitizer and UndefinedBehaviorSanitizer; what they said
# about our programs in the meantime counts as a failure, even when every answer was right.
suite_asan() {
	local stack=$TOP/var/test-asan reports kind rc=0
	build_variant asan clang --enable-werror --enable-sanitizers
	export UBSAN_OPTIONS=print_stacktrace=1
	unit_tests "$BUILD"
	mkdir -p "$RESULTS/asan"
	export ASAN_OPTIONS=log_path=$RESULTS/asan/report:detect_stack_use_after_return=1
	export UBSAN_OPTIONS=log_path=$RESULTS/asan/report:print_stacktrace=1
	stack_up test-asan "$BUILD"
	for kind in api live; do
		node_tests "$kind" "$stack" "$BUILD" || rc=1
	done
	stack_down test-asan
	reports=$(find "$RESULTS/asan" -type f | wc -l)
	count 0 "$reports"
	find "$RESULTS/asan" -type f -exec head -n 30 {} +
	[[ $rc -eq 0 && $reports -eq 0 ]]
}

# Each target for a while, from its corpus and what earlier runs here found.
suite_fuzz() {
	local target stem work seeds dict n=0 rc=0
	build_variant fuzz clang --enable-fuzzers
	for target in "$BUILD"/tests/fuzz/fuzz_*; do
		[[ -f $target && -x $target ]] || continue
		n=$((n + 1))
		stem=${target##*/fuzz_}
		work=$TOP/var/fuzz/$stem
		mkdir -p "$work" "$TOP/var/fuzz/crashes"
		seeds=() dict=()
		[[ ! -d $TOP/tests/fuzz/corpus/$stem ]] || seeds=("$TOP/tests/fuzz/corpus/$stem")
		[[ ! -f $TOP/tests/fuzz/$stem.dict ]] || dict=(-dict="$TOP/tests/fuzz/$stem.dict")
		echo "== $stem"
		if "$target" -max_total_time="$FUZZ_SECONDS" -timeout=10 -rss_limit_mb=1024 \
			-print_final_stats=1 -artifact_prefix="$TOP/var/fuzz/crashes/$stem-" \
			"${dict[@]}" "$work" "${seeds[@]}"; then
			count 1 0
		else
			echo "FAIL: $stem; the input is in var/fuzz/crashes/"
			count 0 1
			rc=1
		fi
	done
	[[ $n -gt 0 ]] || echo "FAIL: no fuzz target was built"
	return "$rc"
}
