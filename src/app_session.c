/*
 * app_session.c: who a session is, for what needs to know nothing else: the worker's memory tells it at once, Redis in a
 * round trip that costs a tenth of PostgreSQL's. Only PostgreSQL refuses.
 */
#include "serving.h"

#include <string.h>

#include "log.h"

#include "banned.h"

/* Takes a line that is valid now and has what the route needs. It must live as long as the request. */
static bool
take(struct serving *s, const char *line, size_t len)
{
	struct err unread;

	err_reset(&unread);
	s->a.session_json = who_json(line, len, &s->a.session_json_len);
	if (!s->a.session_json || who_parse(&s->who, line, len, &unread) < 0 ||
	    s->who.expires_s <= s->a.now_s)
		return false;
	s->sppg_id = s->who.sppg_id;
	s->person_id = s->who.user_id;
	return s->who.permissions & 1u << s->match.route->permission;
}

/* The worker looks once a request, so a line stays valid until the next. */
static bool
take_known(struct serving *s)
{
	size_t len;
	const char *line = s->app->sessions
	    ? bus_sessions_find(s->app->sessions, s->claim.hash, &len)
	    : NULL;

	return line && take(s, line, len);
}

static void
keep(struct serving *s, const char *line, size_t len)
{
	if (s->app->sessions)
		bus_sessions_keep(s->app->sessions, s->claim.hash, line, len);
}

static bool
take_cached(struct serving *s)
{
	struct buf line;
	struct err e;
	bool taken = false;

	if (!s->app->bus)
		return false;
	err_reset(&e);
	buf_init(&line, 0);
	if (bus_session_get(s->app->bus, s->claim.hash, &line, &e) < 0)
		log_event(LOG_DEBUG, "session-cache", "detail", e.detail, NULL);
	else if (line.len)
		taken =
		    take(s, arena_strndup(s->r->arena, line.bytes, line.len), line.len);
	if (taken)
		keep(s, line.bytes, line.len);
	buf_free(&line);
	return taken;
}

static int
take_from_database(struct serving *s)
{
	struct db_rows rows;
	const char *line;

	db_begin_alone(s->app->db, &s->tx);
	if (db_run(&s->tx, Q_SESSION_LINE, PARAMS(s->claim.hash), &rows, &s->e) < 0)
		return -1;
	line = db_text(&rows, 0, 0);
	if (!line)
		return fail(&s->e, E_UNAUTHORIZED, NULL);
	if (!take(s, line, db_len(&rows, 0, 0))) {
		/* a line counts in whole seconds: its last one is over a little before PostgreSQL's */
		if (s->who.expires_s <= s->a.now_s)
			return fail(&s->e, E_UNAUTHORIZED, NULL);
		return fail(&s->e, E_FORBIDDEN, "your role lacks the permission %s",
		    permission_name(s->match.route->permission));
	}
	keep(s, line, db_len(&rows, 0, 0));
	s->a.answer.session_hash = s->claim.hash;
	s->a.answer.session_line = line;
	return 0;
}

int
serving_session(struct serving *s)
{
	return take_known(s) || take_cached(s) ? 0 : take_from_database(s);
}
