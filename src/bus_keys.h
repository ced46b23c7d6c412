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
	"dapur:revoke:"         /* + sppgId; message: session hashes joined by spaces */
#define BUS_UPDATES ":updates:" /* <topic>:updates:<sppgId> */
#define BUS_MARKER_KEY "dapur:relay:marker"

#define BUS_REVOKED "-" /* ask PostgreSQL; do not cache */

/* Every topic that has a channel; ended by NULL. */
extern const char *const bus_topics[];
enum { BUS_TOPICS = 4 };

struct bus_text bus_key(char buffer[BUS_KEY_CAP], const char *pattern, const char *id);

#endif
