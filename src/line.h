/*
 * line.h: one line of the feed: an event as our trigger wrote it, a foreign message, or a client's word.
 *
 * Event lines are rendered once, by PostgreSQL, and passed on byte by byte; here only their fixed head is
 * read. What others publish is passed on only when it is one strict JSON object in valid UTF-8 without raw
 * control characters. Nothing here allocates; results point into the line.
 */
#ifndef DAPUR_LINE_H
#define DAPUR_LINE_H

#include "base.h"

enum {
	EPOCH_CAP = 40, /* bytes of an epoch with its NUL */
	POSITION_CAP = EPOCH_CAP + 24,
	LINE_DEPTH_MAX = 64, /* nesting of a foreign message */
};

/* The head of an event: {"type":"T","seq":N,"position":"E.N","topic":"P","sppgId":"S" */
struct line {
	const char *type;
	size_t type_len;
	long long seq;
	const char *epoch;
	size_t epoch_len;
	const char *topic;
	size_t topic_len;
	const char *sppg; /* as JSON, with its quotes */
	size_t sppg_len;
};

/* Where a feed stands: behind the event seq of the history named epoch. */
struct position {
	char epoch[EPOCH_CAP];
	long long seq;
};

/* Reads the head; false: not a line of our trigger. The rest is not looked at. */
bool line_read(struct line *ret, const char *s, size_t len);

/* One JSON object, UTF-8, nothing around it, no raw control characters. */
bool line_valid(const char *s, size_t len);

enum line_word {
	LINE_OTHER, /* to be ignored */
	LINE_PING,  /* the bare word: answer PONG */
	LINE_PING_JSON,
};

enum line_word line_word(const char *s, size_t len);

/* `<epoch>.<seq>`; false: malformed. */
bool position_read(struct position *ret, const char *s, size_t len);
void position_text(char ret_text[POSITION_CAP], const struct position *p);

#endif
