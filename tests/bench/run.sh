#!/usr/bin/env bash
# run.sh: what ./dev bench runs. It changes the database it measures (an unlimited tier, sessions for pgbench), so it
# starts a stack of its own in var/bench, durable like any other, unless it is called with the environment of that one.
#
#   run.sh [--seconds=S] [--rounds=N] [--only=WHAT,...] [--streams=N]
#
#   WHAT: create list unchanged status screen front memory; without --only all of these
#   --streams=N  instead: N SSE streams and N WebSockets over 20 kitchens at once
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
TOP=${HERE%/tests/bench}

# Never on a stack that somebody works with.
[[ ${DAPUR_VAR:-} == */bench ]] || exec "$TOP/dev" bench "$@"

export BENCH_WORK=$DAPUR_VAR/bench BENCH_RESULTS=$DAPUR_VAR/results
mkdir -p "$BENCH_WORK" "$BENCH_RESULTS"
PATH=$PATH:$(printf '%s:' /usr/lib/postgresql/*/bin)
ulimit -S -n "$(ulimit -H -n)"

# The password of the private cluster's superuser, for CHECKPOINT between the rounds.
# shellcheck source=/dev/null
. "$DAPUR_VAR/etc/secrets"
export BENCH_SUPER_URL="postgresql://postgres:$PG_SUPER_PASSWORD@127.0.0.1:$PGPORT/dapur"

for need in wrk pgbench psql node; do
	command -v "$need" >/dev/null || {
		echo "bench: $need is not there; apt-get install wrk postgresql nodejs" >&2
		exit 1
	}
done

psql -Xq1 -f "$HERE/setup.sql"
node "$HERE/main.js" "$@"
