/*
 * reply.h: the shapes of dapur-api(7): success, lists, errors, problem+json, and the headers of every reply.
 */
#ifndef DAPUR_REPLY_H
#define DAPUR_REPLY_H

#include "base.h"
#include "buf.h"
#include "err.h"

struct reply {
	int status;
	struct buf headers;
	struct buf body;
};

void reply_init(struct reply *r);
void reply_reset(struct reply *r); /* for the next request */
void reply_free(struct reply *r);

/* One header line; value must hold no control characters (ours never do). */
void reply_header(struct reply *r, const char *name, const char *value);

/* What every reply carries. */
void reply_common(struct reply *r, const char *request_id, bool https);

struct reply_page {
	long long total, page, limit;
};

/* {"success":true,"data":...}; page and position may be NULL. */
void reply_success(struct reply *r, const char *data, size_t len,
    const struct reply_page *page, const char *position);

/* The error as dapur-api(7) has it, or as RFC 9457 when problem. */
void
reply_error(struct reply *r, const struct err *e, const char *request_id, bool problem);

#endif
