/* db.c against a server that fails when told: round trips, errors of the contract, lost connections, deadlines. */
#include "db.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "fake_pg.h"

#include <cmocka.h> /* last: it has a macro called fail */

enum { TIMEOUT_MS = 1000 };

static struct fake_pg_page *page;
static struct db *db;
static struct db_tx tx;
static struct db_rows rows;
static struct err e;

static int
start(void **state)
{
	(void)state;
	page = fake_pg_start();
	db = db_open(&(struct db_options){fake_pg_conninfo(), "unit", TIMEOUT_MS});
	err_reset(&e);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	db_end(&tx);
	db_close(db);
	fake_pg_stop();
	return 0;
}

static void
begin(enum query last)
{
	static const char *const params[] = {"hash", "READ"};

	db_begin(db, &tx, (struct db_call){Q_ENTER, {params, 2}}, last);
}

static int
get(void)
{
	return db_run_last(&tx, Q_PRODUCTION_GET, PARAMS("p1"), &rows, &e);
}

static void
one_round_trip(void **state)
{
	(void)state;
	assert_int_equal(page->n_connections, 0); /* open connects to nothing */
	begin(Q_TX_EVENTS);
	assert_int_equal(get(), 0);
	assert_int_equal(db_n_rows(&rows), 1);
	assert_string_equal(db_text(&rows, 0, 0), "one");
	assert_int_equal(db_len(&rows, 0, 0), 3);
	assert_int_equal(db_n_rows(&tx.first_rows), 1);
	assert_int_equal(db_n_rows(&tx.last_rows), 1);
	assert_int_equal(db_commit(&tx, &e), 0);
	db_end(&tx);
	/* the pipeline up to its sync is one transaction: neither BEGIN nor COMMIT */
	assert_string_equal(page->journal, "enter production_get tx_events ; ");
	assert_int_equal(page->n_prepared, 3);
	begin(Q_COUNT);
	assert_int_equal(get(), 0);
	db_end(&tx);
	assert_int_equal(page->n_prepared, 3); /* once per connection */
	assert_int_equal(page->n_connections, 1);
}

static void
several_round_trips(void **state)
{
	(void)state;
	begin(Q_TX_EVENTS);
	assert_int_equal(db_run(&tx, Q_PRODUCTION_GET, PARAMS("p1"), &rows, &e), 0);
	assert_int_equal(db_run_last(&tx, Q_PRODUCTION_DELETE, PARAMS("p1"), &rows, &e),
	    0);
	db_end(&tx);
	assert_string_equal(page->journal,
	    "BEGIN enter production_get ; production_delete tx_events COMMIT ; ");

	page->journal[0] = '\0';
	begin(Q_TX_EVENTS);
	tx.hold = true; /* the commit waits for what is queued last */
	assert_int_equal(get(), 0);
	db_queue(&tx, (struct db_call){Q_PRODUCTION_EXPECT, PARAMS("p1", "1")});
	assert_int_equal(db_commit(&tx, &e), 0);
	db_end(&tx);
	assert_string_equal(page->journal,
	    "BEGIN enter production_get tx_events ; production_expect COMMIT ; ");

	page->journal[0] = '\0';
	db_begin_alone(db, &tx);
	assert_int_equal(db_run(&tx, Q_HEALTH_READY, NO_PARAMS, &rows, &e), 0);
	assert_int_equal(db_run(&tx, Q_HEALTH_READY, NO_PARAMS, &rows, &e), 0);
	db_end(&tx);
	assert_string_equal(page->journal, "health_ready ; health_ready ; ");
}

static void
ends_roll_back(void **state)
{
	(void)state;
	begin(Q_TX_EVENTS);
	assert_int_equal(db_run(&tx, Q_PRODUCTION_GET, PARAMS("p1"), &rows, &e), 0);
	db_end(&tx);
	assert_string_equal(page->journal, "BEGIN enter production_get ; ROLLBACK ; ");
	page->journal[0] = '\0';
	begin(Q_TX_EVENTS);
	db_end(&tx); /* nothing was sent */
	db_end(&tx);
	assert_string_equal(page->journal, "");
}

static void
fails_with(const char *statement, const char *state, const char *constraint)
{
	snprintf(page->statement, sizeof(page->statement), "%s", statement);
	snprintf(page->state, sizeof(page->state), "%s", state);
	snprintf(page->constraint, sizeof(page->constraint), "%s", constraint);
	snprintf(page->message, sizeof(page->message), "the database's own sentence");
	page->times = 1;
	err_reset(&e);
}

/* Each row of the table, as the trigger or constraint raises it. */
static void
violations(void **state)
{
	static const struct {
		const char *constraint;
		enum err_code code;
		const char *path, *field_code, *text;
	} table[] = {
#define VIOLATION(constraint, code, path, field_code, text) \
	{constraint, code, path, field_code, text},
#include "db_error.def"
#undef VIOLATION
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(table); i++) {
		const char *text =
		    table[i].text ? table[i].text : "the database's own sentence";

		fails_with("production_get", "P0001", table[i].constraint);
		begin(Q_TX_EVENTS);
		assert_int_equal(get(), -1);
		assert_int_equal(e.code, table[i].code);
		assert_int_equal(e.n_fields, table[i].path[0] ? 1 : 0);
		if (table[i].path[0]) {
			assert_string_equal(e.fields[0].path, table[i].path);
			assert_string_equal(e.fields[0].code, table[i].field_code);
			assert_string_equal(e.fields[0].message, text);
		}
		if (e.code != E_INVALID)
			assert_string_equal(e.text, text);
		assert_false(tx.retry);
		db_end(&tx);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(table[k].constraint, table[i].constraint);
	}
	assert_int_equal(page->n_connections,
	    1); /* a refused statement costs no connection */
}

static void
states(void **state)
{
	static const struct {
		const char *state;
		enum err_code code;
		bool retry, reconnects;
	} table[] = {
	    {"40001", E_UNAVAILABLE, true, false},
	    {"40P01", E_UNAVAILABLE, true, false},
	    {"08006", E_UNAVAILABLE, false, true},
	    {"53300", E_UNAVAILABLE, false, true},
	    {"57014", E_UNAVAILABLE, false, true},
	    {"57P01", E_UNAVAILABLE, false, true},
	    {"25006", E_UNAVAILABLE, false, true},
	    {"22P02", E_INVALID, false, false},
	    {"23505", E_INVALID, false, false},
	    {"42P01", E_INTERNAL, false, false},
	    {"42501", E_INTERNAL, false, false},
	    {"XX000", E_INTERNAL, false, false},
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(table); i++) {
		int before = page->n_connections;

		fails_with("production_get", table[i].state, "");
		begin(Q_TX_EVENTS);
		assert_int_equal(get(), -1);
		assert_int_equal(e.code, table[i].code);
		assert_int_equal(tx.retry, table[i].retry);
		assert_int_equal(e.retry_after_s > 0, e.code == E_UNAVAILABLE);
		assert_null(strstr(e.text, "sentence")); /* the log's, not the caller's */
		assert_non_null(strstr(e.detail, "sentence"));
		db_end(&tx);
		begin(Q_COUNT);
		assert_int_equal(get(), 0);
		db_end(&tx);
		assert_int_equal(page->n_connections,
		    i ? before + table[i].reconnects : 1);
	}
}

static void
failures_of_any_step(void **state)
{
	static const char *const steps[] = {"BEGIN", "enter", "production_expect",
	    "production_get"};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(steps); i++) {
		page->journal[0] = '\0';
		fails_with(steps[i], "XX000", "");
		begin(Q_TX_EVENTS);
		db_queue(&tx, (struct db_call){Q_PRODUCTION_EXPECT, PARAMS("p1", "1")});
		assert_int_equal(db_run(&tx, Q_PRODUCTION_GET, PARAMS("p1"), &rows, &e),
		    -1);
		assert_int_equal(e.code, E_INTERNAL);
		db_end(&tx);
		/* the rest of the batch was skipped, and what had begun is rolled back */
		assert_null(strstr(page->journal, "COMMIT"));
		assert_int_equal(!strstr(page->journal, "ROLLBACK"), i == 0);
	}
	fails_with("COMMIT", "40001", "");
	begin(Q_TX_EVENTS);
	assert_int_equal(db_run(&tx, Q_PRODUCTION_GET, PARAMS("p1"), &rows, &e), 0);
	assert_int_equal(db_commit(&tx, &e), -1);
	assert_true(tx.retry);
	db_end(&tx);
	begin(Q_COUNT);
	assert_int_equal(get(), 0);
	assert_int_equal(page->n_connections, 1);
}

static void
no_answer_in_time(void **state)
{
	long long began_us;

	(void)state;
	begin(Q_COUNT);
	assert_int_equal(get(), 0);
	db_end(&tx);
	page->mood = PG_SILENT;
	began_us = clock_us();
	begin(Q_COUNT);
	assert_int_equal(get(), -1);
	db_end(&tx);
	assert_int_equal(e.code, E_UNAVAILABLE);
	assert_true(e.retry_after_s > 0);
	assert_in_range(clock_us() - began_us, TIMEOUT_MS * 1000, 4 * TIMEOUT_MS * 1000);
	page->mood = PG_WELL;
	err_reset(&e);
	begin(Q_COUNT);
	assert_int_equal(get(), 0);
	assert_int_equal(page->n_connections, 2);
}

static void
lost_in_a_batch(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		page->mood = PG_WELL;
		begin(Q_COUNT);
		if (i)
			assert_int_equal(db_run(&tx, Q_PRODUCTION_GET, PARAMS("p1"),
					     &rows, &e),
			    0);
		page->mood = PG_HANG_UP;
		assert_int_equal(get(), -1);
		assert_int_equal(e.code, E_UNAVAILABLE);
		/* the transaction is gone: nothing may run outside of it on a new connection */
		page->mood = PG_WELL;
		page->journal[0] = '\0';
		if (i) {
			assert_int_equal(db_run(&tx, Q_PRODUCTION_GET, PARAMS("p1"),
					     &rows, &e),
			    -1);
			assert_string_equal(page->journal, "");
		}
		db_end(&tx);
		err_reset(&e);
	}
}

/* A server that was restarted while nobody asked: the next request is none the worse. */
static void
lost_while_idle(void **state)
{
	struct pollfd p = {.events = POLLRDHUP};

	(void)state;
	page->mood = PG_BYE;
	begin(Q_COUNT);
	assert_int_equal(get(), 0);
	db_end(&tx);
	page->mood = PG_WELL;
	p.fd = db_fd(db);
	assert_int_equal(poll(&p, 1, 10000), 1);
	begin(Q_COUNT);
	assert_int_equal(get(), 0);
	assert_int_equal(page->n_connections, 2);
	assert_int_equal(page->n_prepared, 4);
}

static void
nobody_there(void **state)
{
	struct db *other =
	    db_open(&(struct db_options){"host=/nowhere dbname=d", "unit", TIMEOUT_MS});
	long long began_us = clock_us();

	(void)state;
	for (int i = 0; i < 20; i++) {
		err_reset(&e);
		db_begin_alone(other, &tx);
		assert_int_equal(db_run(&tx, Q_HEALTH_READY, NO_PARAMS, &rows, &e), -1);
		db_end(&tx);
		assert_int_equal(e.code, E_UNAVAILABLE);
		assert_true(e.retry_after_s > 0);
		assert_null(strstr(e.text, "nowhere"));
	}
	assert_true(clock_us() - began_us < TIMEOUT_MS * 1000);
	db_close(other);
}

static void
scripts(void **state)
{
	(void)state;
	assert_int_equal(db_prepare(db, Q_PRODUCTION_GET, &e), 0);
	assert_int_equal(page->n_prepared, 1);
	begin(Q_COUNT);
	assert_int_equal(get(), 0);
	db_end(&tx);
	assert_true(db_fd(db) >= 0);
	assert_false(db_notified(db));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(one_round_trip),
	    TEST(several_round_trips),
	    TEST(ends_roll_back),
	    TEST(violations),
	    TEST(states),
	    TEST(failures_of_any_step),
	    TEST(no_answer_in_time),
	    TEST(lost_in_a_batch),
	    TEST(lost_while_idle),
	    TEST(nobody_there),
	    TEST(scripts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
