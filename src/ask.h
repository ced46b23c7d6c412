/*
 * ask.h: asking PostgreSQL without linking libpq: a helper process, `dapur ask serve`.
 *
 * The helper is started when the first question comes, answers questions in order over a socket pair that is
 * its stdin and stdout, and is let go after a few idle seconds (its stdin ends, it exits). Nothing here waits: the
 * owner polls ask_poll()'s descriptor and calls ask_step(). Stream lifetime.
 *
 * The protocol, lines of bytes; members are joined by TAB, since ids may hold spaces but no control characters:
 *
 *   question   who<TAB>HASH<LF>                     HASH: 64 hex digits of a session
 *              log<TAB>SPPG_ID<TAB>AFTER<TAB>LIMIT<LF>
 *   answer     text lines, then a line of a lone dot, or of a dot and a number:
 *                .     answered      who: one line of the session cache (who.h)
 *                                    log: `EPOCH HEAD FLOOR` in one snapshot, then at most LIMIT event lines with
 *                                    seq > AFTER in order; FLOOR: the oldest seq a feed may resume after
 *                .1    there is no such session or tenant
 *                .75   PostgreSQL is away (try later); the helper goes on
 *                .64   the question is malformed
 */
#ifndef DAPUR_ASK_H
#define DAPUR_ASK_H

#include "base.h"

#include <poll.h>

enum ask_result {
	ASK_OK,
	ASK_NONE, /* PostgreSQL says: no such thing */
	ASK_AWAY, /* nobody knows; try later */
};

/* text: the answer's lines, each with its newline; valid during the call. Questions may be asked inside. */
typedef void ask_fn(void *arg, enum ask_result result, const char *text, size_t len);

struct ask_options {
	const char *command;   /* words split by spaces; "" : dapur beside this program */
	const char *conf_path; /* given on as -c; NULL: none */
	long timeout_ms;       /* of one question; the helper is killed */
	long linger_ms;        /* life of an idle helper */
};

/* A page of one tenant's log. */
struct ask_page {
	const char *sppg_id;
	long long after;
	long limit;
};

struct ask;

struct ask *ask_new(const struct ask_options *o); /* o's texts must outlive it */
void ask_free(struct ask *a);                     /* no callbacks */

/* fn is called once, from a later ask_step(), unless forgotten. */
void ask_who(struct ask *a, const char *hash, ask_fn *fn, void *arg);
void ask_log(struct ask *a, const struct ask_page *p, ask_fn *fn, void *arg);
void ask_forget(struct ask *a, const void *arg);

/* Sets what to poll for (fd -1: nothing) and lowers *deadline_ms to the next time ask_step() is needed. */
void ask_poll(const struct ask *a, struct pollfd *ret, int64_t *deadline_ms);
void ask_step(struct ask *a, short revents, int64_t now_ms);

#endif
