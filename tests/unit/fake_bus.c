/* A bus without Redis: bus.h, written down. */
#include "fake.h"

#include <string.h>

#include "bus.h"

static bool is_away;
static int the_bus;

void
fake_bus_away(bool away)
{
	is_away = away;
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
bus_publish(struct bus *b, const char *sppg_id, const char *epoch,
    const struct bus_event *events, size_t n, struct err *e)
{
	(void)b;
	for (size_t i = 0; i < n; i++)
		fake_note("publish:%s:%s:%s.%lld:%zu", sppg_id, events[i].topic, epoch,
		    events[i].seq, events[i].len);
	return outcome(e);
}

int
bus_session_put(struct bus *b, const char *hash_hex, const char *line, size_t len,
    long ttl_s, struct err *e)
{
	(void)b;
	fake_note("cache:%.4s:%.*s:%ld", hash_hex, (int)len, line, ttl_s);
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
