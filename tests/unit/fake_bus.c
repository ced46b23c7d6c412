/* A bus without Redis: bus.h, written down. */
#include "fake.h"

#include <string.h>

#include "bus.h"
#include "bus_sessions.h"

static bool is_away;
static int the_bus;
static const char *cached;

void
fake_bus_away(bool away)
{
	is_away = away;
}

void
fake_bus_caches(const char *line)
{
	cached = line;
}

struct bus *
bus_open(const struct bus_options *o)
{
	(void)o;
	return (struct bus *)(void *)&the_bus;
}

void
bus_close(struct bus *b)
{
	(void)b;
}

static int
outcome(struct err *e)
{
	return is_away ? fail_detail(e, E_UNAVAILABLE, "fake: Redis is away") : 0;
}

int
bus_publish(struct bus *b, const struct bus_batch *batch, struct err *e)
{
	const struct bus_event *events = batch->events;

	(void)b;
	for (size_t i = 0; i < batch->n; i++)
		fake_note("publish:%s:%s:%s.%lld:%zu", batch->sppg_id, events[i].topic,
		    batch->epoch, events[i].seq, events[i].len);
	return outcome(e);
}

int
bus_session_put(struct bus *b, const char *hash_hex, struct bus_text line, long ttl_s,
    struct err *e)
{
	(void)b;
	fake_note("cache:%.4s:%.*s:%ld", hash_hex, (int)line.len, line.s, ttl_s);
	return outcome(e);
}

int
bus_session_get(struct bus *b, const char *hash_hex, struct buf *ret, struct err *e)
{
	(void)b;
	fake_note("cached:%.4s", hash_hex);
	if (cached)
		buf_adds(ret, cached);
	return outcome(e);
}

int
bus_session_drop(struct bus *b, const char *sppg_id, const char *const *hashes, size_t n,
    struct err *e)
{
	(void)b;
	for (size_t i = 0; i < n; i++)
		fake_note("drop:%s:%s", sppg_id, hashes[i]);
	return outcome(e);
}

/* --- bus_sessions.h: a worker that remembers nothing --- */

struct bus_sessions *
bus_sessions_open(const struct bus_options *o)
{
	(void)o;
	return (struct bus_sessions *)(void *)&the_bus;
}

void
bus_sessions_close(struct bus_sessions *s)
{
	(void)s;
}

const char *
bus_sessions_find(struct bus_sessions *s, const char *hash_hex, size_t *ret_len)
{
	(void)s;
	(void)hash_hex;
	(void)ret_len;
	return NULL;
}

void
bus_sessions_keep(struct bus_sessions *s, const char *hash_hex, const char *line,
    size_t len)
{
	(void)s;
	fake_note("keep:%.4s:%.*s", hash_hex, (int)len, line);
}
