#!/bin/sh
# Each planted bug must be caught: exit 0 when the checker failed every run.
# usage: tests/chaos/planted.sh [SEED [MINUTES]]
set -u
top=$(cd "$(dirname "$0")/../.." && pwd -P)
missed=0
for bug in skip-publish relay-off no-hole-check no-order-check no-idempotency; do
	"$top/dev" chaos --plant="$bug" --seed="${1:-1}" --minutes="${2:-0.4}" --settle-s=15
	case $? in
	1) echo "caught: $bug" ;;
	*) echo "MISSED: $bug"; missed=$((missed + 1)) ;;
	esac
done
[ "$missed" -eq 0 ]
