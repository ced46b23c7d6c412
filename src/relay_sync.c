#include "relay_sync.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus_keys.h"
#include "log.h"
#include "mem.h"

#include "banned.h"

enum {
	PAGE = 200,    /* events read at once */
	RESTORE = 200, /* latest events of a tenant put back when Redis lost everything */
};

/* What is known of one tenant. */
struct known {
	char *sppg_id;
	char epoch[20];
	long long seq; /* up to here everything is in Redis */
	bool checked;  /* compared with Redis since it last lost data */
};

struct relay_sync {
	struct db *db;
	struct bus *bus;
	long history_events;
	struct known *known; /* in byte order of sppg_id */
	size_t n_known, room;
};

/* --- what Redis has --- */

/* KEYS: log, head. ARGV: epoch, first seq, last seq. {head of this epoch or -1, how many of the range}. */
static const char holds_script[] =
    "local was, n = redis.pcall('GET', KEYS[2]), redis.pcall('ZCOUNT', KEYS[1], ARGV[2], ARGV[3])\n"
    "local head = -1\n"
    "if type(was) == 'string' and string.match(was, '^(.*)%.%d+$') == ARGV[1] then\n"
    "  head = tonumber(string.match(was, '%d+$'))\n"
    "end\n"
    "return {head, type(n) == 'number' and n or 0}\n";

struct holds {
	long long head; /* -1: none of this epoch */
	long long n;
};

static void
on_holds(void *arg, const struct bus_value *v)
{
	struct holds *h = arg;

	if (!v || v->kind != BUS_ARRAY || v->n != 2)
		return;
	h->head = bus_value_at(v, 0).integer;
	h->n = bus_value_at(v, 1).integer;
}

/* One tenant as PostgreSQL has it. */
struct head {
	const char *sppg_id;
	const char *epoch;
	long long seq;
	long long floor;
};

static int
ask_holds(struct relay_sync *s, const struct head *h, long long from, struct holds *ret,
    struct err *e)
{
	char log_key[BUS_KEY_CAP], head_key[BUS_KEY_CAP], first[24], last[24];
	const struct bus_text argv[] = {BUS_TEXT("EVAL"), bus_text(holds_script),
	    BUS_TEXT("2"), bus_key(log_key, BUS_LOG_KEY, h->sppg_id),
	    bus_key(head_key, BUS_HEAD_KEY, h->sppg_id), bus_text(h->epoch),
	    bus_number(from, first), bus_number(h->seq, last)};

	*ret = (struct holds){-1, 0};
	return bus_call(s->bus, BUS_COMMAND(argv, on_holds, ret), e);
}

/* --- publishing --- */

/* Writes the events from..h->seq to Redis, a page at a time; those from announce_from on are published when they are new
 * there. */
static int
write_events(struct relay_sync *s, const struct head *h, long long from,
    long long announce_from, struct err *e)
{
	char first[24], last[24];
	size_t n;

	do {
		struct bus_event events[PAGE];
		struct db_rows rows;
		struct db_tx tx;
		int rc;

		snprintf(first, sizeof(first), "%lld", from);
		snprintf(last, sizeof(last), "%lld", h->seq);
		db_begin_alone(s->db, &tx);
		rc = db_run(&tx, Q_RELAY_EVENTS, PARAMS(h->sppg_id, first, last, "200"),
		    &rows, e);
		n = rc < 0 ? 0 : db_n_rows(&rows);
		for (size_t i = 0; i < n; i++)
			events[i] = (struct bus_event){db_text(&rows, i, 0),
			    db_number(&rows, i, 1), db_text(&rows, i, 2),
			    db_len(&rows, i, 2)};
		if (rc == 0)
			rc = bus_publish(s->bus,
			    &(struct bus_batch){h->sppg_id, h->epoch, events, n,
				n < PAGE ? h->seq : 0, announce_from},
			    e);
		if (n)
			from = events[n - 1].seq + 1;
		db_end(&tx);
		if (rc < 0)
			return -1;
	} while (n == PAGE);
	return 0;
}

static long long
larger(long long a, long long b)
{
	return a > b ? a : b;
}

/*
 * Brings one tenant's history in Redis up to its head. was: what is known of it, or NULL.
 * Published is only what may not have been: after the known seq; else after the head that Redis shows; and holes
 * below that head, for these are what died between COMMIT and PUBLISH.
 */
static int
sync_tenant(struct relay_sync *s, const struct head *h, const struct known *was,
    struct err *e)
{
	bool same = was && strcmp(was->epoch, h->epoch) == 0;
	long long keep = s->history_events < RESTORE ? s->history_events : RESTORE;
	long long after =
	    same && was->checked ? was->seq : larger(h->seq - keep, same ? 0 : h->floor);
	long long from = larger(after, h->floor) + 1, announce_from;
	struct holds holds;

	if (same && was->seq < after)
		from = larger(was->seq, h->floor) +
		    1; /* more is missing than is restored otherwise */
	if (ask_holds(s, h, from, &holds, e) < 0)
		return -1;
	if (holds.head >= h->seq && holds.n >= h->seq - from + 1)
		return 0;
	if (same)
		announce_from = was->seq + 1;
	else if (holds.head < 0)
		announce_from = h->seq + 1; /* all lost, nothing known: feeds fetch it */
	else
		announce_from = holds.n ? from : holds.head + 1;
	if (write_events(s, h, from, announce_from, e) < 0)
		return -1;
	if (from <= h->seq)
		log_event(LOG_INFO, "relayed", "sppg", h->sppg_id, "from", log_num(from),
		    "to", log_num(h->seq), "held", log_num(holds.n), NULL);
	return 0;
}

/* --- what is known --- */

struct relay_sync *
relay_sync_new(struct db *db, struct bus *bus, long history_events)
{
	struct relay_sync *s = xcalloc(1, sizeof(*s));

	s->db = db;
	s->bus = bus;
	s->history_events = history_events;
	return s;
}

void
relay_sync_forget(struct relay_sync *s)
{
	for (size_t i = 0; i < s->n_known; i++)
		free(s->known[i].sppg_id);
	free(s->known);
	s->known = NULL;
	s->n_known = s->room = 0;
}

void
relay_sync_free(struct relay_sync *s)
{
	if (!s)
		return;
	relay_sync_forget(s);
	free(s);
}

void
relay_sync_doubt(struct relay_sync *s)
{
	for (size_t i = 0; i < s->n_known; i++)
		s->known[i].checked = false;
}

/* Where a tenant is, or belongs. */
static size_t
place_of(const struct relay_sync *s, const char *sppg_id)
{
	size_t from = 0, to = s->n_known;

	/* they come in order: at first each is the last */
	if (to && strcmp(sppg_id, s->known[to - 1].sppg_id) > 0)
		return to;
	while (from < to) {
		size_t mid = from + (to - from) / 2;

		if (strcmp(s->known[mid].sppg_id, sppg_id) < 0)
			from = mid + 1;
		else
			to = mid;
	}
	return from;
}

static struct known *
insert(struct relay_sync *s, size_t at, const char *sppg_id)
{
	struct known *k;

	if (s->n_known == s->room) {
		s->room = s->room ? s->room * 2 : 64;
		s->known = xrealloc(s->known, s->room * sizeof(*s->known));
	}
	k = &s->known[at];
	memmove(k + 1, k, (s->n_known - at) * sizeof(*k));
	s->n_known++;
	*k = (struct known){.sppg_id = xstrdup(sppg_id)};
	return k;
}

/* One tenant that is not known to be the same in Redis is brought there. */
static int
sync_head(struct relay_sync *s, const struct head *h, struct err *e)
{
	size_t at = place_of(s, h->sppg_id);
	struct known *was =
	    at < s->n_known && strcmp(s->known[at].sppg_id, h->sppg_id) == 0
	    ? &s->known[at]
	    : NULL;

	if (was && was->checked && was->seq == h->seq &&
	    strcmp(was->epoch, h->epoch) == 0)
		return 0;
	if (sync_tenant(s, h, was, e) < 0)
		return -1;
	if (!was)
		was = insert(s, at, h->sppg_id);
	snprintf(was->epoch, sizeof(was->epoch), "%s", h->epoch);
	was->seq = h->seq;
	was->checked = true;
	return 0;
}

int
relay_sync_all(struct relay_sync *s, const char *since, struct err *e)
{
	struct db_rows rows;
	struct db_tx tx;
	int rc;

	db_begin_alone(s->db, &tx);
	rc = db_run(&tx, Q_RELAY_HEADS, PARAMS(since[0] ? since : NULL), &rows, e);
	for (size_t i = 0; rc == 0 && i < db_n_rows(&rows); i++)
		rc = sync_head(s,
		    &(struct head){db_text(&rows, i, 0), db_text(&rows, i, 1),
			db_number(&rows, i, 2), db_number(&rows, i, 3)},
		    e);
	db_end(&tx);
	return rc;
}
