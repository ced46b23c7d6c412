#!/usr/bin/env bash
# hold.sh ORDERS PID-FILE: keeps the listening socket on its descriptor 0, as systemd keeps that of a unit: requests wait in
# it while a pool is restarted. Each line of the fifo ORDERS is a command that gets the socket; its pid goes to PID-FILE.
set -u
exec 3<&0 4<>"$1" </dev/null
while read -r -a command <&4; do
	setsid "${command[@]}" <&3 3<&- 4<&- &
	echo $! >"$2.new" && mv "$2.new" "$2"
done
