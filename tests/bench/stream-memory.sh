#!/usr/bin/env bash
# stream-memory.sh: fails when a dapur-stream that is up and has passed events on holds more private memory than it
# may: 80 KiB linked statically, 160 KiB dynamically. Wants a running stack: the environment of ./dev env.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
exec "$HERE/run.sh" --only=memory
