#!/bin/sh
# The feed: Server-Sent Events, long polls, pages of events.
exec ../../dapur/events.fcgi -c ../../dapur/dapur.conf
