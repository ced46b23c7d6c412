#include "bus_sessions.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "bus_keys.h"
#include "clock.h"
#include "mem.h"

#include "banned.h"

#define SLOTS 512     /* a session has one, by its hash; a newer one takes it over */
#define HASH_MAX 64   /* characters */
#define LINE_MAX 4096 /* bytes of a line worth keeping */
#define RETRY_MS 1000 /* between two tries to connect */
#define READS_MAX 64  /* for one look: who is told more in a moment knows nothing */

struct slot {
	char hash[HASH_MAX + 1];
	char *line; /* NULL: empty */
	size_t len;
	int64_t since_ms;
};

struct bus_sessions {
	struct bus_options o;
	struct bus_link *link;
	bool hearing; /* Redis has confirmed the subscription */
	int64_t retry_ms;
	int64_t now_ms;
	struct slot slots[SLOTS];
};

/* A hash is as good as random. */
static struct slot *
slot_of(struct bus_sessions *s, const char *hash)
{
	size_t n = 0;

	for (const char *p = hash; *p && p < hash + 8; p++)
		n = n * 31 + (unsigned char)*p;
	return &s->slots[n % SLOTS];
}

static void
empty(struct slot *slot)
{
	free(slot->line);
	slot->line = NULL;
}

static void
lose(struct bus_sessions *s)
{
	bus_link_close(s->link);
	s->hearing = false;
	s->retry_ms = s->now_ms + RETRY_MS;
	for (size_t i = 0; i < SLOTS; i++)
		empty(&s->slots[i]);
}

/* hashes: joined by spaces; those that are only doubted have to be looked up, too */
static void
forget(struct bus_sessions *s, const char *hashes)
{
	char hash[HASH_MAX + 1];

	for (const char *p = hashes; *p; p += *p == ' ') {
		size_t len;

		p += *p == BUS_DOUBT[0];
		len = strcspn(p, " ");

		if (len <= HASH_MAX) {
			struct slot *slot;

			memcpy(hash, p, len);
			hash[len] = '\0';
			slot = slot_of(s, hash);
			if (slot->line && strcmp(slot->hash, hash) == 0)
				empty(slot);
		}
		p += len;
	}
}

/* [psubscribe, pattern, 1] or [pmessage, pattern, channel, hashes] */
static void
on_push(void *arg, const struct bus_value *v)
{
	struct bus_sessions *s = arg;
	struct bus_value kind, text;

	if (!v || v->kind != BUS_ARRAY || v->n < 3)
		return;
	kind = bus_value_at(v, 0);
	if (kind.kind != BUS_STRING)
		return;
	if (strcmp(kind.text, "psubscribe") == 0) {
		s->hearing = true;
	} else if (v->n == 4 && strcmp(kind.text, "pmessage") == 0) {
		text = bus_value_at(v, 3);
		if (text.kind == BUS_STRING)
			forget(s, text.text);
	}
}

struct bus_sessions *
bus_sessions_open(const struct bus_options *o)
{
	struct bus_sessions *s = xcalloc(1, sizeof(*s));

	signal(SIGPIPE, SIG_IGN);
	s->o = *o;
	s->link = bus_link_new(&s->o);
	bus_link_on_push(s->link, on_push, s);
	return s;
}

void
bus_sessions_close(struct bus_sessions *s)
{
	if (!s)
		return;
	lose(s);
	bus_link_free(s->link);
	free(s);
}

static void
subscribe(struct bus_sessions *s, struct err *e)
{
	const struct bus_text argv[] = {BUS_TEXT("PSUBSCRIBE"),
	    BUS_TEXT(BUS_REVOKE_CHANNEL "*")};

	if (s->now_ms < s->retry_ms)
		return;
	if (bus_link_connect(s->link, e) < 0)
		lose(s);
	else
		bus_link_send_push(s->link, argv, N_ELEMENTS(argv));
}

/* Takes in what Redis has said until now. */
static bool
hear(struct bus_sessions *s)
{
	struct err e;

	err_reset(&e);
	s->now_ms = clock_ms();
	if (!bus_link_is_open(s->link))
		subscribe(s, &e);
	for (int i = 0; bus_link_is_open(s->link); i++) {
		struct pollfd p = {bus_link_fd(s->link), bus_link_events(s->link), 0};

		if (poll(&p, 1, 0) < 1)
			break;
		if (i == READS_MAX || bus_link_step(s->link, p.revents, &e) < 0)
			lose(s);
	}
	return s->hearing;
}

const char *
bus_sessions_find(struct bus_sessions *s, const char *hash_hex, size_t *ret_len)
{
	struct slot *slot = slot_of(s, hash_hex);

	if (!hear(s) || !slot->line || strcmp(slot->hash, hash_hex) != 0)
		return NULL;
	if (s->now_ms - slot->since_ms >= BUS_SESSIONS_KEEP_MS) {
		empty(slot);
		return NULL;
	}
	*ret_len = slot->len;
	return slot->line;
}

void
bus_sessions_keep(struct bus_sessions *s, const char *hash_hex, const char *line,
    size_t len)
{
	struct slot *slot = slot_of(s, hash_hex);

	if (!s->hearing || strlen(hash_hex) > HASH_MAX || len > LINE_MAX)
		return;
	empty(slot);
	slot->line = xmalloc(len + 1);
	memcpy(slot->line, line, len);
	slot->line[len] = '\0';
	slot->len = len;
	slot->since_ms = s->now_ms; /* of the look before the question */
	memcpy(slot->hash, hash_hex, strlen(hash_hex) + 1);
}
