#include "db.h"

#include <assert.h>
#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "mem.h"

#include "banned.h"

/* After a failed connect, others fail at once for so long: a dead database is asked gently. */
#define CONNECT_PAUSE_US 200000
#define RETRY_AFTER_S 2

struct db {
	PGconn *conn;
	char *conninfo;
	char *name;
	long timeout_ms;
	long long pause_until_us; /* no connect before */
	bool prepared[Q_COUNT];
};

struct violation {
	const char *constraint;
	enum err_code code;
	const char *path;
	const char *field_code;
	const char *text;
};

static const struct violation violations[] = {
#define VIOLATION(constraint, code, path, field_code, text) \
	{constraint, code, path, field_code, text},
#include "db_error.def"
#undef VIOLATION
};

struct db *
db_open(const struct db_options *o)
{
	struct db *db = xcalloc(1, sizeof(*db));

	db->conninfo = xstrdup(o->conninfo);
	db->name = xstrdup(o->name);
	db->timeout_ms = o->timeout_ms;
	return db;
}

static void
disconnect(struct db *db)
{
	PQfinish(db->conn);
	db->conn = NULL;
	memset(db->prepared, 0, sizeof(db->prepared));
}

void
db_close(struct db *db)
{
	if (!db)
		return;
	disconnect(db);
	free(db->conninfo);
	free(db->name);
	free(db);
}

/* --- rows --- */

size_t
db_n_rows(const struct db_rows *r)
{
	return r->result ? (size_t)PQntuples(r->result) : 0;
}

size_t
db_n_affected(const struct db_rows *r)
{
	return r->result ? (size_t)strtoull(PQcmdTuples(r->result), NULL, 10) : 0;
}

const char *
db_text(const struct db_rows *r, size_t row, int col)
{
	return PQgetisnull(r->result, (int)row, col)
	    ? NULL
	    : PQgetvalue(r->result, (int)row, col);
}

size_t
db_len(const struct db_rows *r, size_t row, int col)
{
	return (size_t)PQgetlength(r->result, (int)row, col);
}

long long
db_number(const struct db_rows *r, size_t row, int col)
{
	return strtoll(PQgetvalue(r->result, (int)row, col), NULL, 10);
}

/* --- failures --- */

static int
unavailable(struct db *db, struct err *e, const char *why)
{
	char text[200];

	snprintf(text, sizeof(text), "%s", why);
	disconnect(db);
	e->retry_after_s = RETRY_AFTER_S;
	return fail_detail(e, E_UNAVAILABLE, "postgresql: %s", text);
}

static bool
has_prefix(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

static int
fail_violation(const struct violation *v, const char *message, struct err *e)
{
	const char *text = v->text ? v->text : message;

	if (v->code == E_INVALID)
		return fail_field(e, v->path, v->field_code, "%s", text);
	if (v->path[0]) /* one field's fault with a code of its own */
		(void)fail_field(e, v->path, v->field_code, "%s", text);
	return fail(e, v->code, "%s", text);
}

/* What PostgreSQL refused, as an error of dapur-api(7). */
static int
fail_result(struct db_tx *tx, const PGresult *res, struct err *e)
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	const char *constraint = PQresultErrorField(res, PG_DIAG_CONSTRAINT_NAME);
	const char *message = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);

	if (!state)
		return unavailable(tx->db, e, PQerrorMessage(tx->db->conn));
	for (size_t i = 0; constraint && i < N_ELEMENTS(violations); i++)
		if (strcmp(violations[i].constraint, constraint) == 0)
			return fail_violation(&violations[i], message, e);
	if (has_prefix(state, "40")) {
		tx->retry = true;
		e->retry_after_s = RETRY_AFTER_S;
		return fail_detail(e, E_UNAVAILABLE, "postgresql %s: %s", state, message);
	}
	/* no connection, out of resources, shutting down, timed out, a standby */
	if (has_prefix(state, "08") || has_prefix(state, "53") ||
	    has_prefix(state, "57") || strcmp(state, "25006") == 0)
		return unavailable(tx->db, e, message);
	if (has_prefix(state, "22") || has_prefix(state, "23")) {
		(void)fail(e, E_INVALID, NULL);
		snprintf(e->detail, sizeof(e->detail), "postgresql %s: %s (%s)", state,
		    message, constraint ? constraint : "");
		return -1;
	}
	return fail_detail(e, E_INTERNAL, "postgresql %s: %s", state, message);
}

/* --- connection --- */

/* Waits until the socket is ready or the deadline is over. */
static bool
wait_socket(const PGconn *conn, short events, long long deadline_us)
{
	struct pollfd p = {.fd = PQsocket(conn), .events = events};

	for (;;) {
		long long left_us = deadline_us - clock_us();
		int n;

		if (left_us <= 0)
			return false;
		n = poll(&p, 1, (int)(left_us / 1000) + 1);
		if (n > 0)
			return true;
		if (n < 0 && errno != EINTR)
			return false;
	}
}

static int
connect_db(struct db *db, long long deadline_us, struct err *e)
{
	char options[256];
	const char *const keys[] = {"dbname", "fallback_application_name", "options",
	    "client_encoding", NULL};
	const char *const values[] = {db->conninfo, db->name, options, "UTF8", NULL};

	if (clock_us() < db->pause_until_us)
		return unavailable(db, e, "could not connect a moment ago");
	/* The server ends what nobody waits for any more. The rules count on statements that see what was committed before
	 * them, whatever the database's default is. It plans a statement once: each is written so that one plan
	 * suits all parameters, and planning a list costs as much as running it. */
	snprintf(options, sizeof(options),
	    "-c statement_timeout=%ld -c timezone=UTC -c plan_cache_mode=force_generic_plan "
	    "-c default_transaction_isolation=read\\ committed",
	    db->timeout_ms * 2);
	db->conn = PQconnectStartParams(keys, values, 1);
	if (!db->conn)
		abort();
	for (PostgresPollingStatusType s = PGRES_POLLING_WRITING;
	     s != PGRES_POLLING_OK;) {
		if (s == PGRES_POLLING_FAILED || PQstatus(db->conn) == CONNECTION_BAD ||
		    !wait_socket(db->conn, s == PGRES_POLLING_READING ? POLLIN : POLLOUT,
			deadline_us)) {
			db->pause_until_us = clock_us() + CONNECT_PAUSE_US;
			return unavailable(db, e, PQerrorMessage(db->conn));
		}
		s = PQconnectPoll(db->conn);
	}
	if (PQsetnonblocking(db->conn, 1) != 0 || !PQenterPipelineMode(db->conn))
		return unavailable(db, e, PQerrorMessage(db->conn));
	return 0;
}

/* A connection that the server closed while it was idle is opened anew before anything is sent. */
static int
ensure_connected(struct db *db, long long deadline_us, struct err *e)
{
	/* the server's last words and the end of the stream come as two readable events */
	while (db->conn) {
		struct pollfd p = {.fd = PQsocket(db->conn), .events = POLLIN};

		if (PQstatus(db->conn) == CONNECTION_OK && poll(&p, 1, 0) <= 0)
			break;
		if (PQstatus(db->conn) != CONNECTION_OK || !PQconsumeInput(db->conn))
			disconnect(db);
	}
	return db->conn ? 0 : connect_db(db, deadline_us, e);
}

/* --- pipeline --- */

/* What one message of the pipeline is, so that its answer is understood. */
enum step_kind {
	STEP_PREPARE,
	STEP_FIRST,   /* tx->first_rows */
	STEP_CALL,    /* its failure matters, its rows do not */
	STEP_MAIN,    /* the rows that db_run() returns */
	STEP_LAST,    /* tx->last_rows */
	STEP_CONTROL, /* BEGIN, COMMIT */
};

struct step {
	enum step_kind kind;
	enum query query;
};

struct batch {
	struct db_tx *tx;
	struct step steps[3 * (DB_CALLS_MAX + 4)];
	size_t n;
	bool broken; /* libpq took no more: the connection is gone */
};

static void
add_step(struct batch *b, enum step_kind kind, enum query q, int sent)
{
	assert(b->n < N_ELEMENTS(b->steps));
	b->steps[b->n++] = (struct step){kind, q};
	if (!sent)
		b->broken = true;
}

static void
add_control(struct batch *b, const char *sql)
{
	add_step(b, STEP_CONTROL, Q_COUNT,
	    PQsendQueryParams(b->tx->db->conn, sql, 0, NULL, NULL, NULL, NULL, 0));
}

static void
add_call(struct batch *b, enum step_kind kind, const struct db_call *c)
{
	const struct query_text *t = &query_texts[c->query];
	struct db *db = b->tx->db;
	bool preparing = false;

	assert(c->params.n == t->n_params);
	for (size_t i = 0; i < b->n; i++)
		if (b->steps[i].kind == STEP_PREPARE && b->steps[i].query == c->query)
			preparing = true;
	if (!db->prepared[c->query] && !preparing)
		add_step(b, STEP_PREPARE, c->query,
		    PQsendPrepare(db->conn, t->name, t->sql, 0, NULL));
	add_step(b, kind, c->query,
	    PQsendQueryPrepared(db->conn, t->name, c->params.n, c->params.values, NULL,
		NULL, 0));
}

/* The next result, or NULL at the end of a statement; -1 when the connection or the time is over. */
static int
next_result(struct db_tx *tx, PGresult **ret, struct err *e)
{
	PGconn *conn = tx->db->conn;

	for (;;) {
		int flushed = PQflush(conn);

		if (flushed < 0)
			return unavailable(tx->db, e, PQerrorMessage(conn));
		if (!PQisBusy(conn))
			break;
		if (!wait_socket(conn, flushed ? POLLIN | POLLOUT : POLLIN,
			tx->deadline_us))
			return unavailable(tx->db, e, "no answer in time");
		if (!PQconsumeInput(conn))
			return unavailable(tx->db, e, PQerrorMessage(conn));
	}
	*ret = PQgetResult(conn);
	return 0;
}

static void
keep_result(struct db_tx *tx, PGresult *res)
{
	tx->results = xrealloc(tx->results, (tx->n_results + 1) * sizeof(*tx->results));
	tx->results[tx->n_results++] = res;
}

/* Takes one step's answer. e keeps the first failure; later ones only say that it aborted them. */
static void
take_result(struct db_tx *tx, const struct step *s, PGresult *res,
    struct db_rows *ret_main, struct err *e)
{
	switch (PQresultStatus(res)) {
	case PGRES_COMMAND_OK:
	case PGRES_TUPLES_OK:
		if (s->kind == STEP_PREPARE)
			tx->db->prepared[s->query] = true;
		if (s->kind == STEP_MAIN)
			ret_main->result = res;
		if (s->kind == STEP_FIRST)
			tx->first_rows.result = res;
		if (s->kind == STEP_LAST)
			tx->last_rows.result = res;
		break;
	case PGRES_PIPELINE_ABORTED:
		break;
	default:
		if (e->code == E_OK)
			(void)fail_result(tx, res, e);
		break;
	}
}

/* Sends the batch with its sync and reads every answer. */
static int
run_batch(struct batch *b, struct db_rows *ret_main, struct err *e)
{
	struct db_tx *tx = b->tx;
	PGresult *res;

	if (b->broken || !PQpipelineSync(tx->db->conn))
		return unavailable(tx->db, e, PQerrorMessage(tx->db->conn));
	err_reset(e);
	for (size_t i = 0; i <= b->n; i++) {
		for (;;) {
			struct err lost;

			err_reset(&lost);
			if (next_result(tx, &res, &lost) < 0) {
				*e = lost;
				return -1;
			}
			if (!res)
				break;
			keep_result(tx, res);
			if (i == b->n || PQresultStatus(res) == PGRES_PIPELINE_SYNC)
				return e->code == E_OK ? 0 : -1;
			take_result(tx, &b->steps[i], res, ret_main, e);
			if (!tx->db->conn) /* the failure was the connection's */
				return -1;
		}
	}
	return unavailable(tx->db, e, "the pipeline ended without a sync");
}

/* --- transactions --- */

void
db_begin(struct db *db, struct db_tx *ret, struct db_call first, enum query last)
{
	*ret = (struct db_tx){
	    .db = db,
	    .first = first,
	    .last = last,
	    .deadline_us = clock_us() + db->timeout_ms * 1000,
	};
}

void
db_begin_alone(struct db *db, struct db_tx *ret)
{
	db_begin(db, ret, (struct db_call){Q_COUNT, NO_PARAMS}, Q_COUNT);
	ret->alone = true;
}

void
db_queue(struct db_tx *tx, struct db_call call)
{
	assert(tx->n_queued < DB_CALLS_MAX);
	tx->queued[tx->n_queued++] = call;
}

/* One round trip. main: NULL when only the commit is wanted. A batch that begins and ends the transaction needs neither
 * BEGIN nor COMMIT: the pipeline up to its sync is one transaction. */
static int
round_trip(struct db_tx *tx, const struct db_call *main_call, bool last,
    struct db_rows *ret, struct err *e)
{
	bool commit = last && !(main_call && tx->hold);
	struct batch b = {.tx = tx};
	struct db_rows rows = {NULL};

	assert(!tx->done);
	if (tx->alone) /* each is a transaction; a password was hashed since the last */
		tx->deadline_us = clock_us() + tx->db->timeout_ms * 1000;
	if (ensure_connected(tx->db, tx->deadline_us, e) < 0)
		return -1;
	if (tx->begun && PQtransactionStatus(tx->db->conn) == PQTRANS_IDLE)
		return unavailable(tx->db, e, "the connection was lost in a transaction");
	if (!tx->begun && !commit) {
		add_control(&b, "BEGIN");
		tx->begun = true;
	}
	if (tx->first.query != Q_COUNT)
		add_call(&b, STEP_FIRST, &tx->first);
	tx->first.query = Q_COUNT;
	for (size_t i = 0; i < tx->n_queued; i++)
		add_call(&b, STEP_CALL, &tx->queued[i]);
	tx->n_queued = 0;
	if (main_call)
		add_call(&b, STEP_MAIN, main_call);
	if (last && tx->last != Q_COUNT) {
		add_call(&b, STEP_LAST, &(struct db_call){tx->last, NO_PARAMS});
		tx->last = Q_COUNT;
	}
	if (commit && tx->begun)
		add_control(&b, "COMMIT");
	if (run_batch(&b, &rows, e) < 0)
		return -1;
	tx->done = commit && !tx->alone;
	if (ret)
		*ret = rows;
	return 0;
}

int
db_run(struct db_tx *tx, enum query q, struct db_params params, struct db_rows *ret,
    struct err *e)
{
	return round_trip(tx, &(struct db_call){q, params}, tx->alone, ret, e);
}

int
db_run_last(struct db_tx *tx, enum query q, struct db_params params, struct db_rows *ret,
    struct err *e)
{
	return round_trip(tx, &(struct db_call){q, params}, true, ret, e);
}

int
db_commit(struct db_tx *tx, struct err *e)
{
	if (tx->done || (!tx->begun && !tx->n_queued && tx->first.query == Q_COUNT))
		return 0;
	return round_trip(tx, NULL, true, NULL, e);
}

void
db_end(struct db_tx *tx)
{
	if (!tx->db)
		return;
	if (tx->begun && !tx->done && tx->db->conn &&
	    PQtransactionStatus(tx->db->conn) != PQTRANS_IDLE) {
		struct batch b = {.tx = tx};
		struct err e;

		err_reset(&e);
		add_control(&b, "ROLLBACK");
		if (run_batch(&b, NULL, &e) < 0 && tx->db->conn)
			disconnect(tx->db);
	}
	for (size_t i = 0; i < tx->n_results; i++)
		PQclear(tx->results[i]);
	free(tx->results);
	*tx = (struct db_tx){.done = true};
}

/* --- outside transactions --- */

int
db_script(struct db *db, const char *sql, struct err *e)
{
	struct db_tx tx;
	PGresult *res;
	int rc = 0;

	db_begin_alone(db, &tx);
	if (ensure_connected(db, tx.deadline_us, e) < 0)
		return -1;
	if (!PQexitPipelineMode(db->conn) || PQsetnonblocking(db->conn, 0) != 0)
		return unavailable(db, e, PQerrorMessage(db->conn));
	res = PQexec(db->conn, sql);
	if (PQresultStatus(res) != PGRES_COMMAND_OK &&
	    PQresultStatus(res) != PGRES_TUPLES_OK)
		rc = fail_detail(e, E_INTERNAL, "%s", PQresultErrorMessage(res));
	PQclear(res);
	if (PQsetnonblocking(db->conn, 1) != 0 || !PQenterPipelineMode(db->conn))
		return unavailable(db, e, PQerrorMessage(db->conn));
	return rc;
}

int
db_prepare(struct db *db, enum query q, struct err *e)
{
	struct db_rows ignored;
	struct batch b = {0};
	struct db_tx tx;
	int rc;

	db_begin_alone(db, &tx);
	b.tx = &tx;
	rc = ensure_connected(db, tx.deadline_us, e);
	if (rc == 0) {
		add_step(&b, STEP_PREPARE, q,
		    PQsendPrepare(db->conn, query_texts[q].name, query_texts[q].sql, 0,
			NULL));
		rc = run_batch(&b, &ignored, e);
	}
	db_end(&tx);
	return rc;
}

int
db_fd(const struct db *db)
{
	return db->conn ? PQsocket(db->conn) : -1;
}

bool
db_notified(struct db *db)
{
	bool any = false;
	PGnotify *n;

	if (!db->conn)
		return false;
	if (!PQconsumeInput(db->conn)) {
		disconnect(db);
		return false;
	}
	while ((n = PQnotifies(db->conn))) {
		any = true;
		PQfreemem(n);
	}
	return any;
}
