#include "fake_live.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A reply of hiredis made by hand: bus_value_at() of the real bus_link.c reads it. */
#define LINES_MAX 64
#define QUESTIONS_MAX 32

struct question {
	struct fake_question q;
	bus_tail_fn *tail;
	bus_reply_fn *reply;
	ask_fn *ask;
	void *arg;
};

static struct {
	const struct bus_live_handlers *handlers;
	void *arg;
	bool none, up, wants_up;
	char subscribed[8][64];
	struct question questions[QUESTIONS_MAX];
	size_t n;
	unsigned n_cached;
} fake;

void
fake_reset(bool none)
{
	memset(&fake, 0, sizeof(fake));
	fake.none = none;
}

static void
keep(enum fake_kind kind, const char *text, long long after, struct question how)
{
	struct question *at = &fake.questions[fake.n++];

	if (fake.n == QUESTIONS_MAX)
		abort();
	*at = how;
	at->q.kind = kind;
	at->q.after = after;
	snprintf(at->q.text, sizeof(at->q.text), "%s", text);
}

static struct question
take(size_t i)
{
	struct question q = fake.questions[i];

	fake.n--;
	memmove(fake.questions + i, fake.questions + i + 1, (fake.n - i) * sizeof(q));
	return q;
}

const struct fake_question *
fake_first(void)
{
	static const struct fake_question nothing;

	return fake.n ? &fake.questions[0].q : &nothing;
}

/* --- bus_live.h --- */

struct bus_live *
bus_live_open(const struct bus_options *o, const struct bus_live_handlers *handlers,
    void *arg)
{
	(void)o;
	fake.handlers = handlers;
	fake.arg = arg;
	return (struct bus_live *)(void *)&fake;
}

void
bus_live_close(struct bus_live *l)
{
	(void)l;
}

bool
bus_live_none(const struct bus_live *l)
{
	(void)l;
	return fake.none;
}

bool
bus_live_away(const struct bus_live *l)
{
	(void)l;
	return !fake.up;
}

void
bus_live_poll(const struct bus_live *l, struct pollfd ret_fds[BUS_LIVE_FDS],
    int64_t *deadline_ms)
{
	(void)l;
	(void)deadline_ms;
	for (int i = 0; i < BUS_LIVE_FDS; i++)
		ret_fds[i] = (struct pollfd){.fd = -1};
}

void
bus_live_step(struct bus_live *l, const struct pollfd fds[BUS_LIVE_FDS], int64_t now_ms)
{
	(void)l;
	(void)fds;
	(void)now_ms;
}

void
bus_live_subscribe(struct bus_live *l, const char *sppg_id)
{
	(void)l;
	for (size_t i = 0; i < N_ELEMENTS(fake.subscribed); i++) {
		if (fake.subscribed[i][0])
			continue;
		snprintf(fake.subscribed[i], sizeof(fake.subscribed[i]), "%s", sppg_id);
		return;
	}
	abort();
}

void
bus_live_unsubscribe(struct bus_live *l, const char *sppg_id)
{
	(void)l;
	for (size_t i = 0; i < N_ELEMENTS(fake.subscribed); i++)
		if (strcmp(fake.subscribed[i], sppg_id) == 0)
			fake.subscribed[i][0] = '\0';
}

bool
bus_live_tail(struct bus_live *l, const struct bus_page *p, bus_tail_fn *fn, void *arg)
{
	(void)l;
	if (fake.up)
		keep(FAKE_TAIL, p->sppg_id, p->after,
		    (struct question){.tail = fn, .arg = arg});
	return fake.up;
}

bool
bus_live_session(struct bus_live *l, const char *hash, bus_reply_fn *fn, void *arg)
{
	(void)l;
	if (fake.up)
		keep(FAKE_SESSION, hash, 0, (struct question){.reply = fn, .arg = arg});
	return fake.up;
}

bool
bus_live_ticket(struct bus_live *l, const char *nonce, bus_reply_fn *fn, void *arg)
{
	(void)l;
	if (fake.up)
		keep(FAKE_TICKET, nonce, 0, (struct question){.reply = fn, .arg = arg});
	return fake.up;
}

static void
forget(const void *arg, bool of_ask)
{
	for (size_t i = fake.n; i-- > 0;)
		if (fake.questions[i].arg == arg &&
		    (fake.questions[i].ask != NULL) == of_ask)
			take(i);
}

void
bus_live_forget(struct bus_live *l, const void *arg)
{
	(void)l;
	forget(arg, false);
}

void
bus_live_session_put(struct bus_live *l, const char *hash, const char *line, size_t len)
{
	(void)l;
	(void)hash;
	(void)line;
	(void)len;
	fake.n_cached++;
}

/* --- ask.h --- */

struct ask *
ask_new(const struct ask_options *o)
{
	(void)o;
	return (struct ask *)(void *)&fake;
}

void
ask_free(struct ask *a)
{
	(void)a;
}

void
ask_who(struct ask *a, const char *hash, ask_fn *fn, void *arg)
{
	(void)a;
	keep(FAKE_WHO, hash, 0, (struct question){.ask = fn, .arg = arg});
}

void
ask_log(struct ask *a, const struct ask_page *p, ask_fn *fn, void *arg)
{
	(void)a;
	keep(FAKE_LOG, p->sppg_id, p->after, (struct question){.ask = fn, .arg = arg});
}

void
ask_forget(struct ask *a, const void *arg)
{
	(void)a;
	forget(arg, true);
}

void
ask_poll(const struct ask *a, struct pollfd *ret, int64_t *deadline_ms)
{
	(void)a;
	(void)deadline_ms;
	*ret = (struct pollfd){.fd = -1};
}

void
ask_step(struct ask *a, short revents, int64_t now_ms)
{
	(void)a;
	(void)revents;
	(void)now_ms;
}

/* --- what the test does --- */

void
fake_up(void)
{
	fake.up = true;
	memset(fake.subscribed, 0, sizeof(fake.subscribed));
	fake.handlers->up(fake.arg);
}

void
fake_down(void)
{
	fake.up = false;
	memset(fake.subscribed, 0, sizeof(fake.subscribed));
	for (size_t i = 0; i < fake.n;) {
		struct question q;

		if (fake.questions[i].ask) {
			i++;
			continue;
		}
		q = take(i);
		if (q.tail)
			q.tail(q.arg, NULL);
		else
			q.reply(q.arg, NULL);
	}
	fake.handlers->down(fake.arg);
}

void
fake_subscribed(const char *sppg_id)
{
	fake.handlers->subscribed(fake.arg, sppg_id, strlen(sppg_id));
}

void
fake_message(const char *topic, const char *sppg_id, const char *text)
{
	const struct bus_message m = {.sppg_id = sppg_id,
	    .sppg_len = strlen(sppg_id),
	    .topic = topic,
	    .topic_len = strlen(topic),
	    .text = text,
	    .len = strlen(text)};

	fake.handlers->message(fake.arg, &m);
}

void
fake_revoke(const char *sppg_id, const char *hashes)
{
	const struct bus_message m = {.sppg_id = sppg_id,
	    .sppg_len = strlen(sppg_id),
	    .revoke = true,
	    .text = hashes,
	    .len = strlen(hashes)};

	fake.handlers->message(fake.arg, &m);
}

void
fake_answer_tail(const char *head, const char *const *lines, size_t n)
{
	redisReply replies[LINES_MAX] = {{0}}, *elements[LINES_MAX], all = {0};
	struct question q = take(0);
	struct bus_tail tail = {.head = head, .head_len = head ? strlen(head) : 0};

	if (!q.tail || n > LINES_MAX)
		abort();
	for (size_t i = 0; i < n; i++) {
		replies[i].type = REDIS_REPLY_STRING;
		replies[i].str = (char *)(uintptr_t)lines[i];
		replies[i].len = strlen(lines[i]);
		elements[i] = &replies[i];
	}
	all.type = REDIS_REPLY_ARRAY;
	all.elements = n;
	all.element = elements;
	tail.lines = (struct bus_value){.kind = BUS_ARRAY, .n = n, .reply = &all};
	q.tail(q.arg, &tail);
}

void
fake_answer_text(const char *text)
{
	struct question q = take(0);
	const struct bus_value v = {.kind = text ? BUS_STRING : BUS_NIL,
	    .text = text,
	    .len = text ? strlen(text) : 0};

	if (!q.reply)
		abort();
	q.reply(q.arg, &v);
}

void
fake_answer_ask(enum ask_result result, const char *text)
{
	struct question q = take(0);

	if (!q.ask)
		abort();
	q.ask(q.arg, result, text, strlen(text));
}

bool
fake_is_subscribed(const char *sppg_id)
{
	for (size_t i = 0; i < N_ELEMENTS(fake.subscribed); i++)
		if (strcmp(fake.subscribed[i], sppg_id) == 0)
			return true;
	return false;
}

unsigned
fake_n_cached(void)
{
	return fake.n_cached;
}
