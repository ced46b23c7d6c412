/* A database without PostgreSQL: db.h, played from a script. */
#include "fake.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "mem.h"

enum { PARAMS_MAX = 16 };

struct fake_rows {
	const char *const *cells;
	size_t n_rows;
	int n_cols;
	size_t n_affected;
};

struct fake_query {
	struct fake_rows rows;
	enum err_code code;
	bool retry;
	int failures;
	char params[PARAMS_MAX][512];
	bool is_null[PARAMS_MAX];
};

struct db {
	int open;
};

static struct fake_query queries[Q_COUNT + 1];
static struct buf journal;
static struct db the_db;

void
fake_reset(void)
{
	memset(queries, 0, sizeof(queries));
	for (int q = 0; q < Q_COUNT; q++)
		queries[q].rows.n_affected = 1;
	buf_free(&journal);
	fake_bus_away(false);
	fake_bus_caches(NULL);
}

const char *
fake_journal(void)
{
	buf_add(&journal, "", 0);
	return journal.bytes;
}

void
fake_note(const char *fmt, ...)
{
	char word[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(word, sizeof(word), fmt, ap);
	va_end(ap);
	buf_printf(&journal, "%s ", word);
}

void
fake_db_answer(enum query q, const char *const *cells, size_t n_rows, int n_cols)
{
	queries[q].rows.cells = cells;
	queries[q].rows.n_rows = n_rows;
	queries[q].rows.n_cols = n_cols;
}

void
fake_db_affects(enum query q, size_t n)
{
	queries[q].rows.n_affected = n;
}

void
fake_db_fail(enum query q, enum err_code code, bool retry, int times)
{
	queries[q].code = code;
	queries[q].retry = retry;
	queries[q].failures = times;
}

const char *
fake_db_param(enum query q, int i)
{
	return queries[q].is_null[i] ? NULL : queries[q].params[i];
}

/* --- db.h --- */

struct db *
db_open(const struct db_options *o)
{
	assert(o->conninfo && o->name && o->timeout_ms > 0);
	return &the_db;
}

int
db_prepare(struct db *db, enum query q, struct err *e)
{
	(void)db;
	(void)q;
	(void)e;
	return 0;
}

void
db_close(struct db *db)
{
	assert(!db || db == &the_db);
}

static const struct fake_rows *
rows_of(const struct db_rows *r)
{
	return r->result;
}

size_t
db_n_rows(const struct db_rows *r)
{
	return r->result ? rows_of(r)->n_rows : 0;
}

size_t
db_n_affected(const struct db_rows *r)
{
	return r->result ? rows_of(r)->n_affected : 0;
}

const char *
db_text(const struct db_rows *r, size_t row, int col)
{
	assert(r->result && row < rows_of(r)->n_rows && col < rows_of(r)->n_cols);
	return rows_of(r)->cells[row * (size_t)rows_of(r)->n_cols + (size_t)col];
}

size_t
db_len(const struct db_rows *r, size_t row, int col)
{
	const char *s = db_text(r, row, col);

	return s ? strlen(s) : 0;
}

long long
db_number(const struct db_rows *r, size_t row, int col)
{
	const char *s = db_text(r, row, col);

	return s ? strtoll(s, NULL, 10) : 0;
}

void
db_begin(struct db *db, struct db_tx *ret, struct db_call first, enum query last)
{
	fake_note("begin");
	*ret = (struct db_tx){.db = db, .first = first, .last = last};
}

void
db_begin_alone(struct db *db, struct db_tx *ret)
{
	fake_note("alone");
	*ret = (struct db_tx){.db = db,
	    .alone = true,
	    .first = {Q_COUNT, NO_PARAMS},
	    .last = Q_COUNT};
}

void
db_queue(struct db_tx *tx, struct db_call call)
{
	assert(tx->n_queued < DB_CALLS_MAX);
	tx->queued[tx->n_queued++] = call;
}

static int
failure(struct db_tx *tx, struct fake_query *q, struct err *e)
{
	if (!q->failures)
		return 0;
	q->failures--;
	tx->retry = q->retry;
	fake_note("failed");
	return fail_detail(e, q->code, "fake");
}

static int
call(struct db_tx *tx, const struct db_call *c, struct db_rows *ret, struct err *e)
{
	struct fake_query *q = &queries[c->query];

	assert(
	    c->params.n == query_texts[c->query].n_params && c->params.n <= PARAMS_MAX);
	fake_note("%s", query_texts[c->query].name);
	for (int i = 0; i < c->params.n; i++) {
		const char *s = c->params.values[i];

		q->is_null[i] = !s;
		snprintf(q->params[i], sizeof(q->params[i]), "%s", s ? s : "");
	}
	if (failure(tx, q, e) < 0)
		return -1;
	if (ret)
		ret->result = &q->rows;
	return 0;
}

static int
round_trip(struct db_tx *tx, const struct db_call *c, bool last, struct db_rows *ret,
    struct err *e)
{
	bool commit = last && !(c && tx->hold);
	const struct db_call first = tx->first;

	assert(!tx->done);
	tx->begun = true;
	tx->first.query = Q_COUNT; /* sent, whatever comes back */
	if (first.query != Q_COUNT && call(tx, &first, &tx->first_rows, e) < 0)
		return -1;
	for (size_t i = 0; i < tx->n_queued; i++)
		if (call(tx, &tx->queued[i], NULL, e) < 0)
			return -1;
	tx->n_queued = 0;
	if (c && call(tx, c, ret, e) < 0)
		return -1;
	if (last && tx->last != Q_COUNT &&
	    call(tx, &(struct db_call){tx->last, NO_PARAMS}, &tx->last_rows, e) < 0)
		return -1;
	if (last)
		tx->last = Q_COUNT;
	if (!commit || tx->alone)
		return 0;
	if (failure(tx, &queries[Q_COUNT], e) < 0)
		return -1;
	fake_note("commit");
	tx->done = true;
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
	if (tx->db)
		fake_note("end");
	*tx = (struct db_tx){.done = true};
}
