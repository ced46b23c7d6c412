/*
 * bus.h: what actions tell Redis: events published, sessions cached and dropped.
 *
 * PostgreSQL's log is the truth; Redis is a bus and a cache that may be away or lose everything. So each call
 * here is one bounded round trip (timeout_ms in total, connecting included) and may fail without
 * harm: the relay publishes what was left. After a failure the bus answers E_UNAVAILABLE at once for 200 ms,
 * growing to 1 s, so that a dead or stopped Redis does not slow the actions. Process lifetime, one
 * connection. The streams' side is bus_live.h; both keep names of keys and channels in bus_keys.h.
 */
#ifndef DAPUR_BUS_H
#define DAPUR_BUS_H

#include "base.h"
#include "buf.h"
#include "bus_keys.h"
#include "bus_link.h"
#include "err.h"

struct bus;

/* Never connects yet; o is copied. Address "none": every call fails at once. */
struct bus *bus_open(const struct bus_options *o);
void bus_close(struct bus *b);

/* One event as the trigger wrote it. */
struct bus_event {
	const char *topic;
	long long seq;
	const char *line; /* without a newline */
	size_t len;
};

/* Events of one tenant. A worker sets the first four; the relay, which restores what Redis lost, all. */
struct bus_batch {
	const char *sppg_id;
	const char *epoch;
	const struct bus_event *events;
	size_t n;
	long long head; /* Redis's head is raised at least to it */
	long long
	    announce_from; /* events below this seq are not published, just put into the history */
};

/*
 * Puts the events into their tenant's history and publishes those that are new there on
 * `<topic>:updates:<sppgId>`. Idempotent and in any order. A new epoch empties the history first.
 * Fails E_UNAVAILABLE.
 */
int bus_publish(struct bus *b, const struct bus_batch *events, struct err *e) MUST_CHECK;

/*
 * Caches a session (a line of who.h) for ttl_s, at most BUS_SESSION_TTL_S, unless something is cached already:
 * so a slow reader never overwrites a revocation. Fails E_UNAVAILABLE.
 */
int bus_session_put(struct bus *b, const char *hash_hex, struct bus_text line, long ttl_s,
    struct err *e) MUST_CHECK;

/*
 * The cached line of a session into ret; ret stays empty when there is none or the session was revoked: ask PostgreSQL.
 * Fails E_UNAVAILABLE.
 */
int bus_session_get(struct bus *b, const char *hash_hex, struct buf *ret,
    struct err *e) MUST_CHECK;

/*
 * Revokes: marks each session's cache entry so that the streams ask PostgreSQL, ends the open feeds and makes the workers
 * forget by a message on dapur:revoke:<sppgId>; it was written to all of them when this returns. Call it after
 * COMMIT. n = 0 does nothing. Fails E_UNAVAILABLE.
 */
int bus_session_drop(struct bus *b, const char *sppg_id, const char *const *hashes,
    size_t n, struct err *e) MUST_CHECK;

/* As bus_session_drop(), for sessions that may hold: open feeds stay, and ask PostgreSQL. */
int bus_session_doubt(struct bus *b, const char *sppg_id, const char *const *hashes,
    size_t n, struct err *e) MUST_CHECK;

/* Whether Redis answers now. Fails E_UNAVAILABLE. */
int bus_ping(struct bus *b, struct err *e) MUST_CHECK;

/* A command of our own. */
struct bus_command {
	const struct bus_text *argv;
	size_t argc;
	bus_reply_fn *fn; /* may be NULL */
	void *arg;
};

#define BUS_COMMAND(argv, fn, arg) \
	(&(const struct bus_command){argv, N_ELEMENTS(argv), fn, arg})

/* For the relay: fn is called once with the reply unless the call fails; an error reply fails. */
int bus_call(struct bus *b, const struct bus_command *c, struct err *e) MUST_CHECK;

#endif
