#include "app.h"

#include <ctype.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "gate.h"
#include "log.h"
#include "mem.h"
#include "reply.h"
#include "route.h"
#include "text.h"
#include "who.h"

#include "banned.h"

enum {
	TRIES = 3, /* of a transaction that PostgreSQL asks to run again */
	KEY_MAX = 255,
};

struct app {
	const struct conf *conf;
	struct db *db;
	struct bus *bus; /* NULL: there is no Redis here */
	struct site site;
	bool https;
	struct reply reply;
};

/* One request on its way. */
struct serving {
	struct app *app;
	struct http_request *r;
	struct err e;
	struct route_match match;
	struct who_claim claim;
	struct input in;
	struct action a;
	struct db_tx tx;
	const char *key; /* Idempotency-Key; NULL: none */
	char body_hash[WHO_HASH_HEX + 1];
	bool replayed;
	const char *sppg_id; /* for the log; NULL: unknown */
	const char *person_id;
};

struct app *
app_open(const struct conf *conf)
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
		app->bus = bus_open(&(struct bus_options){
		    .address = conf->redis,
		    .user = conf->redis_user,
		    .password = conf->redis_password,
		    .db = conf->redis_db,
		    .timeout_ms = conf->redis_timeout_ms,
		    .history_events = conf->history_events,
		    .history_s = conf->history_hours * 3600,
		});
	app->site = (struct site){
	    .public_url = conf->public_url,
	    .base_path = conf->base_path,
	    .secret = conf->secret,
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
app_close(struct app *app)
{
	if (!app)
		return;
	db_close(app->db);
	bus_close(app->bus);
	reply_free(&app->reply);
	free(app);
}

/* --- who, and from where --- */

static bool
is_write(enum http_method m)
{
	return m == HTTP_POST || m == HTTP_PUT || m == HTTP_PATCH || m == HTTP_DELETE;
}

/* The page came from the host that is asked; from its http twin only where there is no https. */
static bool
same_host(const struct serving *s, const char *origin)
{
	const char *sep = strstr(origin, "://");

	if (!sep || !s->r->host[0] || strcasecmp(sep + 3, s->r->host) != 0)
		return false;
	return !s->app->https || strncasecmp(origin, "https:", 6) == 0;
}

/* A browser says where a write comes from: by Sec-Fetch-Site, else by Origin. Something that says neither is no browser. */
static int
check_site(struct serving *s)
{
	const char *site = http_header(s->r, "HTTP_SEC_FETCH_SITE");
	const char *origin = http_header(s->r, "HTTP_ORIGIN");

	if (!is_write(s->r->method))
		return 0;
	if (site && (strcmp(site, "same-origin") == 0 || strcmp(site, "none") == 0))
		return 0;
	if (!site && !origin)
		return 0;
	if (origin && conf_origin_allowed(s->app->conf, origin))
		return 0;
	if (!site && origin && same_host(s, origin))
		return 0;
	return fail(&s->e, E_CROSS_SITE, NULL);
}

/* Of our entity tags: versions and positions. Others' must not reach a statement. */
static const char tag_characters[] = ".0123456789abcdefghijklmnopqrstuvwxyz"
				     "ABCDEFGHIJKLMNOPQRSTUVWXYZ-_";

/* What the first entity tag of a header holds after `prefix`; NULL when it is none of ours. */
static const char *
tag_value(struct serving *s, const char *header, const char *prefix)
{
	const char *value = http_header(s->r, header), *end;
	size_t len = strlen(prefix);

	if (!value || strncmp(value, prefix, len) != 0)
		return NULL;
	value += len;
	end = value + strspn(value, tag_characters);
	if (*end != '"' || (end[1] && end[1] != ',' && end[1] != ' '))
		return NULL;
	return arena_strndup(s->r->arena, value, (size_t)(end - value));
}

static int
read_if_match(struct serving *s)
{
	const char *header = http_header(s->r, "HTTP_IF_MATCH");
	const char *version;
	size_t len;

	if (!header || strcmp(header, "*") == 0 || s->match.route->tx != TX_WRITE)
		return 0;
	version = tag_value(s, "HTTP_IF_MATCH", "\"v");
	len = version ? strlen(version) : 0;
	if (len < 1 || len > 9 || strspn(version, "0123456789") != len)
		return fail(&s->e, E_PRECONDITION_FAILED,
		    "If-Match must be the ETag of a production, such as \"v7\"");
	s->a.if_match = version;
	return 0;
}

static int
read_key(struct serving *s)
{
	const char *key = http_header(s->r, "HTTP_IDEMPOTENCY_KEY");
	unsigned char hash[crypto_hash_sha256_BYTES];
	size_t len;

	if (!key || s->match.route->tx != TX_WRITE)
		return 0;
	len = strlen(key);
	if (len < 1 || len > KEY_MAX)
		return fail_field(&s->e, "Idempotency-Key", "TOO_LONG",
		    "must have 1 to %d characters", KEY_MAX);
	for (const char *p = key; *p; p++)
		if (!isprint((unsigned char)*p))
			return fail_field(&s->e, "Idempotency-Key", "CONTROL",
			    "must be printable ASCII");
	crypto_hash_sha256(hash, (const unsigned char *)s->r->body, s->r->body_len);
	sodium_bin2hex(s->body_hash, sizeof(s->body_hash), hash, sizeof(hash));
	s->key = key;
	return 0;
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

/* The path of the request: what a key is kept for. */
static const char *
key_scope(struct serving *s)
{
	return arena_printf(s->r->arena, "%s %.*s", http_method_name(s->r->method),
	    (int)strcspn(s->r->uri, "?"), s->r->uri);
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

/* Runs the route; a deadlock or serialization failure runs it again from the start. */
static int
run(struct serving *s)
{
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
	if (bus_publish(s->app->bus, s->sppg_id, db_text(rows, 0, 5), events, n, &e) < 0)
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
	if (out->session_line &&
	    bus_session_put(s->app->bus, out->session_hash, out->session_line,
		strlen(out->session_line), BUS_SESSION_TTL_S, &e) < 0)
		log_event(LOG_DEBUG, "session-cache", "detail", e.detail, NULL);
	if (out->n_ended &&
	    bus_session_drop(s->app->bus, s->sppg_id, out->ended, out->n_ended, &e) < 0)
		log_event(LOG_WARN, "session-revoke", "detail", e.detail, NULL);
}

/* --- replies --- */

static void
set_cookie(struct serving *s)
{
	const char *token = s->a.answer.cookie;
	long age = token && token[0] ? s->app->conf->session_hours * 3600 : 0;

	if (token)
		buf_printf(&s->app->reply.headers,
		    "Set-Cookie: %s=%s; Path=/; HttpOnly; SameSite=Lax; Max-Age=%ld%s\r\n",
		    who_cookie_name(s->app->https), token, age,
		    s->app->https ? "; Secure" : "");
}

/* Other sites' pages may read the reply only when their origin is allowed. */
static void
allow_origin(struct serving *s)
{
	const char *origin = http_header(s->r, "HTTP_ORIGIN");

	if (!origin || !conf_origin_allowed(s->app->conf, origin))
		return;
	reply_header(&s->app->reply, "Access-Control-Allow-Origin", origin);
	reply_header(&s->app->reply, "Access-Control-Allow-Credentials", "true");
	reply_header(&s->app->reply, "Access-Control-Expose-Headers",
	    "ETag, X-Stream-Position, X-Request-Id, Retry-After, Idempotency-Replayed");
}

/* True when one of the tags in If-None-Match is etag (weak comparison, RFC 9110 section 13.1.2). */
static bool
none_match(struct serving *s, const char *etag)
{
	const char *header = http_header(s->r, "HTTP_IF_NONE_MATCH");
	const char *opaque = etag[0] == 'W' ? etag + 2 : etag;
	size_t len = strlen(opaque);
	const char *p;

	if (!header)
		return false;
	if (strcmp(header, "*") == 0)
		return true;
	p = strstr(header, opaque);
	return p && (p[len] == '\0' || p[len] == ',' || p[len] == ' ');
}

static void
send_error(struct serving *s)
{
	const char *accept = http_header(s->r, "HTTP_ACCEPT");
	struct reply *reply = &s->app->reply;

	reply_reset(reply);
	reply_common(reply, s->r->request_id, s->app->https);
	allow_origin(s);
	reply_error(reply, &s->e, s->r->request_id,
	    accept && strstr(accept, "application/problem+json"));
}

/* What a path takes; also the answer to a CORS preflight. */
static void
send_options(struct serving *s)
{
	struct reply *reply = &s->app->reply;

	reply->status = 200;
	reply_header(reply, "Allow", s->match.allow);
	if (http_header(s->r, "HTTP_ORIGIN")) {
		allow_origin(s);
		reply_header(reply, "Access-Control-Allow-Methods", s->match.allow);
		reply_header(reply, "Access-Control-Allow-Headers",
		    "Content-Type, Authorization, Idempotency-Key, If-Match, If-None-Match");
		reply_header(reply, "Access-Control-Max-Age", "600");
	}
	reply_success(reply, "null", 4, NULL, NULL);
}

static void
log_request(struct serving *s, long long took_us)
{
	const struct reply *reply = &s->app->reply;
	const struct err *e = &s->e;
	bool failed = e->code != E_OK;

	log_event(reply->status >= 500 ? LOG_ERROR : LOG_INFO, "request", "method",
	    http_method_name(s->r->method), "path",
	    arena_strndup(s->r->arena, s->r->uri, strcspn(s->r->uri, "?")), "status",
	    log_num(reply->status), "us", log_num(took_us), "id", s->r->request_id,
	    "address", s->r->address, "sppg", s->sppg_id, "person", s->person_id, "code",
	    failed ? err_info(e->code)->name : NULL, "detail",
	    failed && e->detail[0] ? e->detail : NULL, NULL);
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
	if (check_site(s) < 0)
		return -1;
	src = (struct input_source){
	    .path_names = s->match.names,
	    .path_values = s->match.values,
	    .n_path = s->match.n,
	    .query = r->query,
	    .body = is_write(r->method) ? r->body : "",
	    .body_len = is_write(r->method) ? r->body_len : 0,
	};
	if (input_read(&s->in, s->match.route->input, &src, r->arena, &s->e) < 0)
		faults = -1;
	if (faults == 0 && (read_if_match(s) < 0 || read_key(s) < 0))
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

static bool
is_preflight(struct serving *s)
{
	return s->r->method == HTTP_OPTIONS && s->e.code == E_METHOD_NOT_ALLOWED;
}

void
app_serve(struct app *app, struct http_request *r)
{
	struct serving s = {.app = app, .r = r};
	const char *agent = http_header(r, "HTTP_USER_AGENT");
	long long began_us = db_now_us();
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
	    .known = tag_value(&s, "HTTP_IF_NONE_MATCH", "W/\""),
	    .now_s = time(NULL),
	};
	rc = prepare(&s);
	if (rc == 0)
		rc = run(&s);
	note_who(&s);
	if (rc == 0) {
		publish(&s);
		tell_sessions(&s);
		set_cookie(&s);
		allow_origin(&s);
		if (s.a.answer.etag && none_match(&s, s.a.answer.etag))
			app->reply.status = 304;
	} else if (is_preflight(&s)) {
		err_reset(&s.e);
		send_options(&s);
	} else {
		send_error(&s);
	}
	http_reply(r, app->reply.status, &app->reply.headers, app->reply.body.bytes,
	    app->reply.body.len);
	log_request(&s, db_now_us() - began_us);
	db_end(&s.tx);
}
