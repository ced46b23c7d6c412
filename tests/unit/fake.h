/*
 * fake.h: a database and a bus that only pretend, for tests of what decides (app.c and the actions).
 *
 * fake_db.c and fake_bus.c define the functions of db.h and bus.h, so the linker takes them instead of ours. Each
 * call leaves a word in one journal: tests compare the whole story, its order above all.
 */
#ifndef DAPUR_TEST_FAKE_H
#define DAPUR_TEST_FAKE_H

#include "base.h"
#include "db.h"

/* Forgets answers, faults and the journal. */
void fake_reset(void);

/* The words since fake_reset(), each followed by a space. */
const char *fake_journal(void);
void fake_note(const char *fmt, ...) PRINTF(1, 2);

/* What a query answers from now on: rows of n_cols cells (NULL: SQL NULL), which must live on. Without one: no rows. */
void fake_db_answer(enum query q, const char *const *cells, size_t n_rows, int n_cols);

/* Rows that an INSERT, UPDATE or DELETE touches; 1 unless told. */
void fake_db_affects(enum query q, size_t n);

/* Lets the query fail the next `times` times; retry: as a serialization failure. Q_COUNT: the commit. */
void fake_db_fail(enum query q, enum err_code code, bool retry, int times);

/* A parameter of the query's last run; NULL: SQL NULL. */
const char *fake_db_param(enum query q, int i);

/* Redis is away. */
void fake_bus_away(bool away);

/* The line of every session in Redis; NULL: none. It must live on. */
void fake_bus_caches(const char *line);

#endif
