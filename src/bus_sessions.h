/*
 * bus_sessions.h: the sessions that a worker knows by heart, so that who is asking costs no round trip.
 *
 * A line is kept for at most BUS_SESSIONS_KEEP_MS, and only while the worker hears every revocation: it subscribes to
 * dapur:revoke:*, reads what has come before each look, and forgets everything when the connection is lost. Redis has
 * written a revocation to every subscriber before bus_session_drop() returns, so the next look in any worker knows it.
 * Process lifetime, one connection to Redis, a bounded number of lines.
 */
#ifndef DAPUR_BUS_SESSIONS_H
#define DAPUR_BUS_SESSIONS_H

#include "base.h"
#include "bus_link.h"

enum { BUS_SESSIONS_KEEP_MS = 5000 };

struct bus_sessions;

/* Never connects yet. o's texts must outlive it. */
struct bus_sessions *bus_sessions_open(const struct bus_options *o);
void bus_sessions_close(struct bus_sessions *s);

/* The line of a session, valid until the next call; NULL: not known. */
const char *
bus_sessions_find(struct bus_sessions *s, const char *hash_hex, size_t *ret_len);

/* Keeps a line that was asked for after a bus_sessions_find() that did not know it, with no other find between. */
void bus_sessions_keep(struct bus_sessions *s, const char *hash_hex, const char *line,
    size_t len);

#endif
