/*
 * relay_sync.h: brings Redis's history of every kitchen up to the log in PostgreSQL.
 *
 * It remembers what is in Redis for sure, and compares that with the heads in PostgreSQL: all of them, or only those that
 * changed since. What it writes goes by the same script as the actions', so nothing is published twice.
 */
#ifndef DAPUR_RELAY_SYNC_H
#define DAPUR_RELAY_SYNC_H

#include "bus.h"
#include "db.h"

struct relay_sync;

/* history_events: the setting. db and bus must outlive it. */
struct relay_sync *relay_sync_new(struct db *db, struct bus *bus, long history_events);
void relay_sync_free(struct relay_sync *s);

/* Somebody else works: nothing is known any more. */
void relay_sync_forget(struct relay_sync *s);

/* Redis may have lost its data: every kitchen is compared with it anew. */
void relay_sync_doubt(struct relay_sync *s);

/*
 * Looks at the heads; what is behind in Redis is written. since: a transaction id; only heads that it or a later one
 * changed are looked at. "": all. Fails E_UNAVAILABLE; the rest is left for the next look, which must not begin later.
 */
int relay_sync_all(struct relay_sync *s, const char *since, struct err *e) MUST_CHECK;

#endif
