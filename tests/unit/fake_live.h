/*
 * fake_live.h: Redis's and PostgreSQL's side of a hub, played by the test: bus_live.h and ask.h without either.
 *
 * Questions are kept until the test answers them; messages come when the test says so. One hub at a time.
 */
#ifndef DAPUR_FAKE_LIVE_H
#define DAPUR_FAKE_LIVE_H

#include "ask.h"
#include "bus_live.h"

enum fake_kind {
	FAKE_NOTHING,
	FAKE_TAIL,    /* Redis: history of text after after */
	FAKE_SESSION, /* Redis: cached session text */
	FAKE_TICKET,
	FAKE_WHO, /* PostgreSQL: session text */
	FAKE_LOG, /* PostgreSQL: log of text after after */
};

struct fake_question {
	enum fake_kind kind;
	char text[128];
	long long after;
};

void fake_reset(bool none);
void fake_up(void);   /* Redis is there */
void fake_down(void); /* and gone: waiting questions to it fail */
void fake_subscribed(const char *sppg_id);
void fake_message(const char *topic, const char *sppg_id, const char *text);
void fake_revoke(const char *sppg_id, const char *hashes);

/* The oldest question that waits; answering takes it away. */
const struct fake_question *fake_first(void);
void fake_answer_tail(const char *head, const char *const *lines,
    size_t n);                           /* head NULL: none */
void fake_answer_text(const char *text); /* NULL: no such key */
void fake_answer_ask(enum ask_result result, const char *text);

bool fake_is_subscribed(const char *sppg_id);
unsigned fake_n_cached(void); /* sessions that were put into the cache */

#endif
