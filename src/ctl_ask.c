/*
 * ctl_ask.c: `dapur ask serve`: answers the questions of a stream (ask.h has the protocol).
 */
#include "ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "page.h"
#include "who.h"

#include "banned.h"

enum {
	/* ends of an answer */
	END_OK = 0,
	END_NONE = 1,
	END_MALFORMED = 64,
	END_AWAY = 75,
};

/* Prints the first column of the first row, then the second of all rows if there is one: a session, or a log. */
static int
answer(struct db *db, enum query q, struct db_params params)
{
	struct db_rows rows;
	struct db_tx tx;
	struct err e;
	int end = END_AWAY;

	err_reset(&e);
	db_begin_alone(db, &tx);
	if (db_run(&tx, q, params, &rows, &e) == 0) {
		const char *first = db_n_rows(&rows) ? db_text(&rows, 0, 0) : NULL;

		end = first ? END_OK : END_NONE;
		if (first)
			puts(first);
		for (size_t i = 0; q == Q_ASK_LOG && i < db_n_rows(&rows); i++)
			if (db_text(&rows, i, 1))
				puts(db_text(&rows, i, 1));
	}
	db_end(&tx);
	return end;
}

static int
answer_who(struct db *db, char **words)
{
	if (strlen(words[1]) != WHO_HASH_HEX)
		return END_MALFORMED;
	return answer(db, Q_SESSION_LINE, PARAMS(words[1]));
}

static int
answer_log(struct db *db, char **words)
{
	long limit = strtol(words[3], NULL, 10);

	if (strspn(words[2], "0123456789") != strlen(words[2]) || strlen(words[2]) > 18 ||
	    !words[2][0] || limit < 1 || limit > PAGE_EVENTS_MAX)
		return END_MALFORMED;
	return answer(db, Q_ASK_LOG, PARAMS(words[1], words[2], words[3]));
}

/* Splits at TAB into at most four words; returns how many there are. */
static size_t
split(char *line, char *words[4])
{
	size_t n = 0;

	line[strcspn(line, "\n")] = '\0';
	while (n < 4 && line)
		words[n++] = strsep(&line, "\t");
	return line ? 5 : n;
}

int
ctl_ask_serve(const struct ctl *c, struct err *e)
{
	const char *conninfo =
	    c->conf->relay_database[0] ? c->conf->relay_database : c->conf->database;
	struct db *db =
	    db_open(&(struct db_options){conninfo, "dapur-ask", c->conf->db_timeout_ms});
	char line[512], *words[4];

	(void)e;
	while (fgets(line, sizeof(line), stdin)) {
		size_t n = split(line, words);
		int end = END_MALFORMED;

		if (n == 2 && strcmp(words[0], "who") == 0)
			end = answer_who(db, words);
		else if (n == 4 && strcmp(words[0], "log") == 0)
			end = answer_log(db, words);
		if (end)
			printf(".%d\n", end);
		else
			puts(".");
		if (fflush(stdout) != 0)
			break;
	}
	db_close(db);
	return 0;
}
