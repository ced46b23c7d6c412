/*
 * bus_keys.h: the names of keys and channels in Redis, in one place.
 *
 * A tenant's id is put in as bytes; a command's arguments are length-prefixed, so no id can break out. The
 * tenant's own keys share the hash tag {<sppgId>}, so a Redis Cluster keeps them on one slot.
 */
#ifndef DAPUR_BUS_KEYS_H
#define DAPUR_BUS_KEYS_H

#include "bus_link.h"

#define BUS_KEY_CAP 256 /* bytes of the longest key or channel: an id has at most 64 */

#define BUS_LOG_KEY "dapur:{%s}:log"       /* sorted set: score seq, member the line */
#define BUS_HEAD_KEY "dapur:{%s}:head"     /* <epoch>.<seq> */
#define BUS_SESSION_KEY "dapur:session:%s" /* a line of who.h, or BUS_REVOKED */
#define BUS_TICKET_KEY "dapur:ticket:%s"   /* exists: the ticket is used up */
#define BUS_REVOKE_CHANNEL \
	"dapur:revoke:" /* + sppgId; message: hashes of ended sessions joined by spaces */
#define BUS_DOUBT "?"   /* before such a hash: it may have ended, ask PostgreSQL */
#define BUS_UPDATES ":updates:" /* <topic>:updates:<sppgId> */
#define BUS_MARKER_KEY "dapur:relay:marker"

#define BUS_REVOKED "-" /* ask PostgreSQL; do not cache */

/*
 * A cached session is believed for so long. Who ends a session says so in Redis, and for whoever cannot (another program;
 * Redis was away) the relay does, a relay_interval_ms later: this is the bound when no relay runs. Each idle
 * stream asks PostgreSQL as often, under websocketd by a process of its own.
 */
#define BUS_SESSION_TTL_S 300
/* The mark BUS_REVOKED keeps out what was read from PostgreSQL before the revocation and comes late: it has to live longer
 * than BUS_SESSION_LATE_S, after which nobody caches an answer. */
#define BUS_REVOKED_TTL_S 60
#define BUS_SESSION_LATE_S 30

/* Every topic that has a channel; ended by NULL. */
extern const char *const bus_topics[];
enum { BUS_TOPICS = 4 };

struct bus_text bus_key(char buffer[BUS_KEY_CAP], const char *pattern, const char *id);

#endif
