#include "serving.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "gate.h"
#include "log.h"
#include "mem.h"
#include "text.h"

#include "banned.h"

/* Tries of a transaction that PostgreSQL asks to run again. */
#define TRIES 3

static void
open_redis(struct app *app, bool stays)
{
	const struct conf *conf = app->conf;
	const struct bus_options o = {
	    .address = conf->redis,
	    .user = conf->redis_user,
	    .password = conf->redis_password,
	    .db = conf->redis_db,
	    .timeout_ms = conf->redis_timeout_ms,
	    .history_events = conf->history_events,
	    .history_s = conf->history_hours * 3600,
	};

	app->bus = bus_open(&o);
	if (stays)
		app->sessions = bus_sessions_open(&o);
}

struct app *
app_open(const struct conf *conf, bool stays)
{
	struct app *app = xcalloc(1, sizeof(*app));

	app->conf = conf;
	app->https = conf_https(conf);
	app->db = db_open(
	    &(struct db_options){conf->database, "dapur-api", conf->db_timeout_ms});
	if (strcmp(conf->redis, "none") == 0)
		log_event(LOG_INFO, "no-redis", "detail",
		    "feeds read the log in PostgreSQL", NULL);
	else
		open_redis(app, stays);
	app->site = (struct site){
	    .public_url = conf->public_url,
	    .base_path = conf->base_path,
	    .secret = app->bus ? conf->secret : "", /* a ticket is used up in Redis */
	    .https = app->https,
	    .heartbeat_ms = conf->heartbeat_ms,
	    .session_hours = conf->session_hours,
	    .login_tries = conf->login_tries,
	    .login_tries_address = conf->login_tries_address,
	};
	reply_init(&app->reply);
	return app;
}

void
app_warm(struct app *app)
{
	struct err e;

	err_reset(&e);
	if (db_prepare(app->db, Q_ENTER, &e) < 0)
		log_event(LOG_WARN, "not-ready", "detail", e.detail, NULL);
}

void
app_close(struct app *app)
{
	if (!app)
		return;
	db_close(app->db);
	bus_close(app->bus);
	bus_sessions_close(app->sessions);
	reply_free(&app->reply);
	free(app);
}

/* --- the transaction --- */

static void
begin(struct serving *s)
{
	const struct route *route = s->match.route;
	const char **first;

	if (route->tx == TX_NONE) {
		db_begin_alone(s->app->db, &s->tx);
		return;
	}
	first = arena_alloc(s->r->arena, 2 * sizeof(*first));
	first[0] = s->claim.hash;
	first[1] = permission_name(route->permission);
	db_begin(s->app->db, &s->tx, (struct db_call){Q_ENTER, {first, 2}},
	    route->tx == TX_WRITE ? Q_TX_EVENTS : Q_COUNT);
	s->tx.hold = s->key != NULL;
}

/* The action and what it is about, however the path was spelled: what a key is kept for. */
static const char *
key_scope(struct serving *s)
{
	const struct route_match *m = &s->match;
	const char *scope = arena_printf(s->r->arena, "%s %s",
	    http_method_name(m->route->method), m->route->path);

	for (size_t i = 0; i < m->n; i++)
		scope = arena_printf(s->r->arena, "%s %s", scope, m->values[i]);
	return scope;
}

/* Answers again what the same key was answered before. Returns 1 then, 0 when the request is new. */
static int
replay(struct serving *s)
{
	struct reply *out = &s->app->reply;
	struct db_rows rows;

	if (db_run(&s->tx, Q_IDEMPOTENCY_BEGIN,
		PARAMS(key_scope(s), s->key, s->body_hash), &rows, &s->e) < 0)
		return -1;
	if (db_n_rows(&rows) == 0)
		return 0;
	out->status = (int)db_number(&rows, 0, 0);
	reply_header(out, "Content-Type", "application/json; charset=utf-8");
	reply_header(out, "Idempotency-Replayed", "true");
	if (db_text(&rows, 0, 2))
		reply_header(out, "X-Stream-Position", db_text(&rows, 0, 2));
	buf_add(&out->body, db_text(&rows, 0, 1), db_len(&rows, 0, 1));
	s->replayed = true;
	return 1;
}

static const char *
last_position(struct serving *s)
{
	size_t n = db_n_rows(&s->tx.last_rows);

	return n ? arena_printf(s->r->arena, "%s.%s", db_text(&s->tx.last_rows, n - 1, 5),
		       db_text(&s->tx.last_rows, n - 1, 1))
		 : NULL;
}

/* What the handler answered, as the body. A write's data are the bytes of its first event. */
static void
compose(struct serving *s)
{
	struct answer *out = &s->a.answer;
	struct reply *reply = &s->app->reply;
	const struct reply_page page = {out->total, out->page, out->limit};
	const char *written = last_position(s);

	if (!out->data && written) {
		out->data =
		    db_text(&s->tx.last_rows, 0, 2) + db_number(&s->tx.last_rows, 0, 3);
		out->data_len = (size_t)db_number(&s->tx.last_rows, 0, 4);
	}
	if (!out->data) {
		out->data = "null";
		out->data_len = 4;
	}
	if (written)
		out->position = written;
	reply->status = out->status ? out->status : 200;
	if (out->position)
		reply_header(reply, "X-Stream-Position", out->position);
	if (out->etag)
		reply_header(reply, "ETag", out->etag);
	if (out->no_store)
		reply_header(reply, "Cache-Control", "no-store");
	reply_success(reply, out->data, out->data_len, out->paged ? &page : NULL,
	    written);
}

/* Keeps the reply under its key in the same transaction, and commits. */
static int
store_and_commit(struct serving *s)
{
	struct reply *out = &s->app->reply;

	db_queue(&s->tx,
	    (struct db_call){Q_IDEMPOTENCY_STORE,
		PARAMS(key_scope(s), s->key, s->body_hash,
		    arena_printf(s->r->arena, "%d", out->status), out->body.bytes,
		    s->a.answer.position)});
	return db_commit(&s->tx, &s->e);
}

/* Asks who it is although the request cannot run: a stranger learns 401 before he learns what is wrong with his fields. */
static int
only_who(struct serving *s)
{
	struct err faults = s->e;
	struct db_rows rows;
	const char *params[] = {s->claim.hash,
	    permission_name(s->match.route->permission)};

	if (s->match.route->permission == PERM_NONE)
		return -1;
	db_begin_alone(s->app->db, &s->tx);
	if (db_run(&s->tx, Q_ENTER, (struct db_params){params, 2}, &rows, &s->e) == 0)
		s->e = faults;
	return -1;
}

static int
run_once(struct serving *s)
{
	begin(s);
	s->a.tx = &s->tx;
	s->a.answer = (struct answer){0};
	if (s->key) {
		int again = replay(s);

		if (again)
			return again < 0 ? -1 : 0;
	}
	if (s->match.route->run(&s->a, &s->e) < 0)
		return s->tx.first.query == Q_COUNT ? -1 : only_who(s);
	compose(s);
	if (s->key)
		return store_and_commit(s);
	return db_commit(&s->tx, &s->e);
}

/* What needs no more than to know who is asking. */
static int
run_session(struct serving *s)
{
	if (serving_session(s) < 0 || s->match.route->run(&s->a, &s->e) < 0)
		return -1;
	compose(s);
	return 0;
}

/* Runs the route; a deadlock or serialization failure runs it again from the start. */
static int
run(struct serving *s)
{
	if (s->match.route->tx == TX_SESSION)
		return run_session(s);
	for (int i = 1;; i++) {
		int rc = run_once(s);

		if (rc == 0 || !s->tx.retry || i == TRIES)
			return rc;
		db_end(&s->tx);
		err_reset(&s->e);
		reply_reset(&s->app->reply);
		reply_common(&s->app->reply, s->r->request_id, s->app->https);
	}
}

/* --- after the commit --- */

/* Tells Redis what was committed. It may be away: the relay publishes what is missing. */
static void
publish(struct serving *s)
{
	const struct db_rows *rows = &s->tx.last_rows;
	size_t n = db_n_rows(rows);
	struct bus_event *events;
	struct err e;

	err_reset(&e);
	if (!s->app->bus || !n || s->replayed)
		return;
	events = arena_alloc(s->r->arena, n * sizeof(*events));
	for (size_t i = 0; i < n; i++)
		events[i] = (struct bus_event){
		    .topic = db_text(rows, i, 0),
		    .seq = db_number(rows, i, 1),
		    .line = db_text(rows, i, 2),
		    .len = db_len(rows, i, 2),
		};
	if (bus_publish(s->app->bus,
		&(struct bus_batch){.sppg_id = s->sppg_id,
		    .epoch = db_text(rows, 0, 5),
		    .events = events,
		    .n = n},
		&e) < 0)
		log_event(LOG_WARN, "publish", "request", s->r->request_id, "detail",
		    e.detail, NULL);
}

static void
tell_sessions(struct serving *s)
{
	const struct answer *out = &s->a.answer;
	struct err e;

	if (!s->app->bus)
		return;
	err_reset(&e);
	/* one that was read long ago may be older than its revocation */
	if (out->session_line && time(NULL) < s->a.now_s + BUS_SESSION_LATE_S &&
	    bus_session_put(s->app->bus, out->session_hash, bus_text(out->session_line),
		BUS_SESSION_TTL_S, &e) < 0)
		log_event(LOG_DEBUG, "session-cache", "detail", e.detail, NULL);
	if (out->n_ended &&
	    bus_session_drop(s->app->bus, s->sppg_id, out->ended, out->n_ended, &e) < 0)
		log_event(LOG_WARN, "session-revoke", "detail", e.detail, NULL);
}

/* --- the ten steps --- */

static int
prepare(struct serving *s)
{
	const struct conf *conf = s->app->conf;
	struct http_request *r = s->r;
	struct http_path path;
	struct input_source src;
	int faults = 0;

	if (r->gate)
		return gate_open(r, conf, &s->match, &s->claim, &s->e);
	if (http_read_body(r, (size_t)conf->body_max, &s->e) < 0)
		return -1;
	if (http_split_path(r->uri, conf->base_path, r->arena, &path, &s->e) < 0)
		return -1;
	if (route_find(r->method, &path, r->arena, &s->match, &s->e) < 0)
		return -1;
	if (s->match.route->permission != PERM_NONE) {
		who_claim(&s->claim, http_header(r, "HTTP_COOKIE"),
		    http_header(r, "HTTP_AUTHORIZATION"), s->app->https);
		if (s->claim.means == WHO_NOBODY)
			return fail(&s->e, E_UNAUTHORIZED, NULL);
	}
	if (serving_check_site(s) < 0)
		return -1;
	src = (struct input_source){
	    .path_names = s->match.names,
	    .path_values = s->match.values,
	    .n_path = s->match.n,
	    .query = r->query,
	    .body = serving_is_write(r->method) ? r->body : "",
	    .body_len = serving_is_write(r->method) ? r->body_len : 0,
	};
	if (input_read(&s->in, s->match.route->input, &src, r->arena, &s->e) < 0)
		faults = -1;
	if (faults == 0 && (serving_if_match(s) < 0 || serving_key(s) < 0))
		faults = -1;
	return faults < 0 ? only_who(s) : 0;
}

static void
note_who(struct serving *s)
{
	const struct db_rows *rows = &s->tx.first_rows;

	if (!db_n_rows(rows))
		return;
	s->sppg_id = db_text(rows, 0, 0);
	s->person_id = db_text(rows, 0, 1);
}

void
app_serve(struct app *app, struct http_request *r)
{
	struct serving s = {.app = app, .r = r};
	const char *agent = http_header(r, "HTTP_USER_AGENT");
	long long began_us = clock_us();
	int rc;

	reply_reset(&app->reply);
	reply_common(&app->reply, r->request_id, app->https);
	err_reset(&s.e);
	s.a = (struct action){
	    .in = &s.in,
	    .arena = r->arena,
	    .site = &app->site,
	    .session_hash = s.claim.hash,
	    .address = r->address,
	    .user_agent = agent && text_utf8_valid(agent, strlen(agent)) ? agent : "",
	    .now_s = time(NULL),
	};
	rc = prepare(&s);
	s.a.known = serving_known(&s);
	if (rc == 0)
		rc = run(&s);
	note_who(&s);
	if (rc == 0) {
		publish(&s);
		tell_sessions(&s);
		serving_set_cookie(&s);
		serving_allow_origin(&s);
		if (s.a.answer.etag && serving_none_match(&s, s.a.answer.etag))
			app->reply.status = 304;
	} else if (serving_is_preflight(&s)) {
		err_reset(&s.e);
		serving_options(&s);
	} else {
		serving_error(&s);
	}
	http_reply(r, app->reply.status, &app->reply.headers, app->reply.body.bytes,
	    app->reply.body.len);
	serving_log(&s, clock_us() - began_us);
	db_end(&s.tx);
}
