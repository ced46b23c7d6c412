/*
 * db.h: PostgreSQL: one connection of a process, one tenant-bound transaction of a request, named queries.
 *
 * The only user of libpq. A transaction is sent through libpq's pipeline: what opens the tenant, the
 * statement, and what reads the events back travel in one round trip. Statements are prepared once per
 * connection, on first use. Every wait ends at the deadline (db_options.timeout_ms after db_begin); then the
 * connection is given up, so that a database that hangs costs a request its 503 and nothing more.
 * It must never build SQL: statements come from queries.gen.
 *
 * Lifetimes: struct db the process; struct db_tx and all its rows the request (until db_end).
 */
#ifndef DAPUR_DB_H
#define DAPUR_DB_H

#include "base.h"
#include "err.h"
#include "queries.gen.h"

struct db;

struct db_options {
	const char *conninfo;
	const char *name; /* application_name */
	long timeout_ms;  /* longest wait of one transaction, connecting included */
};

/* Never connects yet: the first transaction does. */
struct db *db_open(const struct db_options *o);
void db_close(struct db *db);

/* The answer of one statement: rows of text. Columns count from 0. */
struct db_rows {
	void *result; /* PGresult, owned by the transaction */
};

size_t db_n_rows(const struct db_rows *r);
size_t db_n_affected(const struct db_rows *r); /* of INSERT, UPDATE, DELETE */
const char *
db_text(const struct db_rows *r, size_t row, int col); /* NULL when SQL NULL */
size_t db_len(const struct db_rows *r, size_t row, int col);
long long db_number(const struct db_rows *r, size_t row, int col); /* 0 when SQL NULL */

/* Parameters as text; NULL is SQL NULL. Count must be the query's. */
struct db_params {
	const char *const *values;
	int n;
};

#define PARAMS(...)                                             \
	((struct db_params){(const char *const[]){__VA_ARGS__}, \
	    sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *)})
#define NO_PARAMS ((struct db_params){NULL, 0})

/* A statement to send. */
struct db_call {
	enum query query;
	struct db_params params;
};

enum { DB_CALLS_MAX = 8 };

struct db_tx {
	struct db *db;
	bool alone; /* no transaction: every run commits by itself */
	bool
	    retry; /* the failure was a serialization failure or a deadlock: run the request again */
	bool hold;  /* db_run_last() leaves the commit to db_commit() */
	bool begun; /* BEGIN was sent */
	bool done;  /* committed or rolled back */
	long long deadline_us;
	struct db_call first; /* sent before the first statement; Q_COUNT: none */
	enum query last;      /* sent before the commit; Q_COUNT: none */
	struct db_call queued[DB_CALLS_MAX];
	size_t n_queued;
	struct db_rows first_rows; /* what `first` answered */
	struct db_rows last_rows;  /* what `last` answered */
	void **results;            /* all PGresults of this transaction */
	size_t n_results;
};

/*
 * Starts a transaction in ret; nothing is sent yet. first: opens the tenant (its failure fails the first
 * db_run); last: read just before the commit, see last_rows. Params of first must live until db_end.
 */
void db_begin(struct db *db, struct db_tx *ret, struct db_call first, enum query last);

/* A connection without a transaction: each db_run() commits alone and sees no tenant. */
void db_begin_alone(struct db *db, struct db_tx *ret);

/* Sends call with the next run, before its statement; only its failure matters. params must live that long. */
void db_queue(struct db_tx *tx, struct db_call call);

/* Runs one statement; the transaction stays open. */
int db_run(struct db_tx *tx, enum query q, struct db_params params, struct db_rows *ret,
    struct err *e) MUST_CHECK;

/* Runs the last statement and commits in the same round trip. */
int db_run_last(struct db_tx *tx, enum query q, struct db_params params,
    struct db_rows *ret, struct err *e) MUST_CHECK;

/* Sends what is queued, `last`, and commits; does nothing when db_run_last() did. */
int db_commit(struct db_tx *tx, struct err *e) MUST_CHECK;

/* Rolls back what was not committed and frees every row. Always called. */
void db_end(struct db_tx *tx);

/* --- outside transactions: migrations, the relay --- */

/* Runs a file of statements by the simple protocol, in its own implicit transaction. */
int db_script(struct db *db, const char *sql, struct err *e) MUST_CHECK;

/* Prepares a statement, to see whether it fits the schema. Fails E_INTERNAL with PostgreSQL's reason. */
int db_prepare(struct db *db, enum query q, struct err *e) MUST_CHECK;

int db_fd(const struct db *db); /* to poll for notifications; -1 when not connected */
bool db_notified(
    struct db *db); /* consumes what has arrived; true when a NOTIFY was among it */

#endif
