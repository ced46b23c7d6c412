/*
 * fake_pg.h: a server that speaks PostgreSQL's protocol and does what the test says, for test_db.c.
 *
 * It is a process of its own on a unix socket of its own. Both sides share one page: the test writes what shall happen,
 * the server writes down what it was asked. Real servers fail like this too, but not when a test wants it.
 */
#ifndef DAPUR_TEST_FAKE_PG_H
#define DAPUR_TEST_FAKE_PG_H

#include "base.h"

enum fake_pg_mood {
	PG_WELL,
	PG_SILENT,  /* reads, and never answers */
	PG_HANG_UP, /* closes the connection in the midst of a batch */
	PG_BYE,     /* answers, then says that it shuts down, and closes */
};

struct fake_pg_page {
	enum fake_pg_mood mood;
	/* Executing `statement` fails with these, the next `times` times. */
	char statement[64];
	char state[6];
	char constraint[64];
	char message[128];
	int times;
	/* What was seen. */
	int n_connections;
	int n_prepared;
	char journal[4096]; /* a word for each statement executed, `;` for each sync */
};

/* Starts the server; the page is valid until fake_pg_stop(). */
struct fake_pg_page *fake_pg_start(void);
void fake_pg_stop(void);
const char *fake_pg_conninfo(void);

#endif
