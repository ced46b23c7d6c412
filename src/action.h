/*
 * action.h: what an action is: a row of a route table, and what its handler gets and gives.
 *
 * A handler runs statements and says what to answer; it decides nothing about permission, tenant, commit or
 * publication (app.c does), and it frees nothing (everything is the request's).
 */
#ifndef DAPUR_ACTION_H
#define DAPUR_ACTION_H

#include "base.h"
#include "db.h"
#include "err.h"
#include "http_method.h"
#include "input.h"
#include "mem.h"
#include "who.h"

/* What handlers may know of the installation. */
struct site {
	const char *public_url;
	const char *base_path;
	const char *secret;
	bool https;
	long heartbeat_ms;
	long session_hours;
	long login_tries;
	long login_tries_address;
};

/* What a handler answers; app.c turns it into a reply. */
struct answer {
	int status; /* 0: 200 */
	const char
	    *data; /* JSON; NULL: the "data" of the first event of the transaction */
	size_t data_len;
	const char *position; /* the snapshot of the rows; NULL: none */
	const char *etag;     /* NULL: none */
	bool no_store;        /* browsers must not keep it */
	bool paged;
	long long total, page, limit;
	const char *cookie; /* session token to set; "" ends the cookie; NULL: none */
	const char
	    *session_hash; /* with session_line: to put into the cache of the streams */
	const char *session_line;
	const char *const *ended; /* hashes of sessions that ended, n_ended of them */
	size_t n_ended;
	const char *ended_sppg;
};

struct action {
	struct db_tx *tx;
	const struct input *in;
	struct arena *arena;
	const struct site *site;
	const char *session_hash; /* of the asking session; "" when nobody asks */
	const char
	    *session_json; /* TX_SESSION: the session as GET /api/session answers it */
	size_t session_json_len;
	const char *address;
	const char *user_agent;
	const char *
	    known; /* position in a tag of action_list() that this session sent back; NULL: none */
	const char *if_match; /* versions in If-Match ("v7" -> {7}); NULL: none */
	long long now_s;
	struct answer answer;
};

enum { ACTION_ASKER_LEN = 12 }; /* characters of the session's hash in a list's ETag */

typedef int action_fn(struct action *a, struct err *e);

enum tx_mode {
	TX_NONE, /* no tenant: each statement commits alone */
	TX_SESSION, /* no statement: what is known of the session is enough, and may come from Redis */
	TX_READ,
	TX_WRITE, /* Origin is checked, events are read back and published */
};

struct route {
	enum http_method method;
	const char *path; /* below the base path: "/production/{id}/status" */
	enum permission permission;
	enum tx_mode tx;
	const struct field *input; /* NULL: none */
	action_fn *run;
	const char *trpc;    /* "production.updateStatus" or NULL */
	const char *summary; /* for OpenAPI and `dapur routes` */
};

/* Runs the last statement of a write. Answers with the data of its first event. Fails E_NOT_FOUND when no row changed. */
int action_write(struct action *a, enum query q, struct db_params params,
    struct err *e) MUST_CHECK;

/* Sends the If-Match check of production id before the next statement, when there is one. */
void action_expect(struct action *a, const char *id);

/* Runs the last statement of a list: columns position, data (NULL: unchanged since a->known), and total when paged. Fails
 * E_NOT_FOUND when there is no row. The ETag is W/"<position>-<asker>": kitchens have positions alike, and one browser may
 * hold lists of two. */
int action_list(struct action *a, enum query q, struct db_params params,
    struct err *e) MUST_CHECK;

#endif
