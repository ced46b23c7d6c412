#!/bin/sh
# The actions. The web server runs this in its own folder; programs and settings are beside the pages' folder.
exec ../../dapur/api.fcgi -c ../../dapur/dapur.conf
