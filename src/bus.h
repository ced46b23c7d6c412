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

/*
 * Puts the events of one tenant into its history and publishes those that are new there on
 * `<topic>:updates:<sppgId>`. Idempotent and in any order. A new epoch empties the history first.
 * Fails E_UNAVAILABLE.
 */
int bus_publish(struct bus *b, const char *sppg_id, const char *epoch,
    const struct bus_event *events, size_t n, struct err *e) MUST_CHECK;

/*
 * As bus_publish(), but only events with seq >= announce_from are published, the others are just put into
 * the history; the head is raised to at least head. For the relay, which restores what Redis lost.
 */
struct bus_restore {
	const char *sppg_id;
	const char *epoch;
	long long head;
	long long announce_from;
	const struct bus_event *events;
	size_t n;
};
int bus_restore(struct bus *b, const struct bus_restore *r, struct err *e) MUST_CHECK;

/*
 * Caches a session (a line of who.h) for ttl_s, at most BUS_SESSION_TTL_S, unless something is cached already:
 * so a slow reader never overwrites a revocation. Fails E_UNAVAILABLE.
 */
int bus_session_put(struct bus *b, const char *hash_hex, const char *line, size_t len,
    long ttl_s, struct err *e) MUST_CHECK;

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

/* A command of our own, for the relay: fn is called once with the reply unless the call fails; an error reply fails. */
int bus_call(struct bus *b, const struct bus_text *argv, size_t argc, bus_reply_fn *fn,
    void *arg, struct err *e) MUST_CHECK;

#endif
