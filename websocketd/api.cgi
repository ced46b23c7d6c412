#!/bin/sh
# Dapur behind websocketd alone: a CGI program there is an exact file, no path goes on after it. So every action
# has a second address, /api.cgi?/production/ID/status&as=usual, which is taken apart here; and paths of one
# word (/api/session, /api/production) are links to this file. make-demo writes the two names below.
DAPUR_CONF=/etc/dapur/dapur.conf
PROGRAMS=/usr/local/libexec/dapur
export DAPUR_CONF

case $REQUEST_URI in
/api.cgi\?/*)
	rest=${REQUEST_URI#*\?}
	path=${rest%%[&?]*}
	query=${rest#"$path"}
	QUERY_STRING=${query#?}
	REQUEST_URI=/api$path${QUERY_STRING:+?$QUERY_STRING}
	export REQUEST_URI QUERY_STRING
	;;
esac
case $REQUEST_URI in
/api/events | /api/events\?*) exec "$PROGRAMS/events.fcgi" ;;
*) exec "$PROGRAMS/api.fcgi" ;;
esac
