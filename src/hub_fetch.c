/* What a tenant's clients miss: fetched from Redis's history, else from PostgreSQL. */
#include <stdlib.h>
#include <string.h>

#include "hub_tenant.h"

#include "banned.h"

#define TAIL_LIMIT \
	32 /* events of a page from Redis: what a slow client may make us hold */
#define LOG_LIMIT 100 /* events of a page from PostgreSQL: starting to ask is dear */
#define HEAD_ONLY \
	999999999999999999LL /* behind every event: nothing but the head is asked for */
#define TRIES 3              /* Redis in vain, before PostgreSQL is asked */
#define AWAY_MIN_MS 250      /* PostgreSQL away: pause, doubled up to the next */
#define AWAY_MAX_MS 1000

static void
pause_for(struct hub_tenant *t, long ms)
{
	t->busy = HUB_PAUSE;
	t->wake_ms = t->hub->now_ms + ms / 2 + rand_r(&t->hub->seed) % (ms + 1);
}

static void
pause_longer(struct hub_tenant *t)
{
	t->pause_ms = t->pause_ms ? t->pause_ms * 2 : AWAY_MIN_MS;
	if (t->pause_ms > AWAY_MAX_MS)
		t->pause_ms = AWAY_MAX_MS;
	pause_for(t, t->pause_ms);
}

/* Redis does not know, yet: the relay may be about to mend it; but not what is older than the history. */
static void
in_vain(struct hub_tenant *t)
{
	bool too_far =
	    t->known && t->head - t->asked_after > t->hub->o->bus.history_events;

	if (++t->tries > TRIES || t->from_log || too_far) {
		t->doubt = true;
		return;
	}
	pause_for(t, HUB_GRACE_MS / TRIES);
}

static bool
same_epoch(const struct hub_tenant *t, const struct hub_client *c)
{
	return strcmp(t->epoch, c->at.epoch) == 0;
}

static bool
is_behind(const struct hub_tenant *t, const struct hub_client *c)
{
	return c->placed && !c->full && c->at.seq < t->head;
}

static bool
any_behind(const struct hub_tenant *t)
{
	const struct hub_client *c = t->clients;

	while (c && !is_behind(t, c))
		c = c->next_of_tenant;
	return c;
}

/* By the one that was farthest behind: what the others get meanwhile does not help it. */
bool
hub_misses(const struct hub_tenant *t)
{
	const struct hub_client *c = t->clients;

	while (c && !(is_behind(t, c) && c->at.seq == t->asked_after))
		c = c->next_of_tenant;
	return c;
}

static bool
any_unplaced(const struct hub_tenant *t)
{
	const struct hub_client *c = t->clients;

	while (c && c->placed)
		c = c->next_of_tenant;
	return c;
}

/* The seq behind which to fetch: the least of those that wait for something. */
static long long
fetch_after(const struct hub_tenant *t)
{
	long long after = t->known ? t->head : HEAD_ONLY;

	for (const struct hub_client *c = t->clients; c; c = c->next_of_tenant) {
		bool wants = c->placed ? is_behind(t, c) : c->at.epoch[0] != '\0';

		if (wants && c->at.seq < after)
			after = c->at.seq;
	}
	return after;
}

static void
place_at_head(struct hub_tenant *t, struct hub_client *c)
{
	memcpy(c->at.epoch, t->epoch, EPOCH_CAP);
	c->at.seq = t->head;
}

/* Places those whose position needs no second opinion; the others raise the doubt. */
static void
place(struct hub_tenant *t)
{
	for (struct hub_client *c = t->clients; c; c = c->next_of_tenant) {
		if (c->placed)
			continue;
		if (!c->at.epoch[0]) {
			place_at_head(t, c);
		} else if (!same_epoch(t, c) || c->at.seq > t->head) {
			t->doubt = true;
			continue;
		}
		c->placed = true;
		c->ops->placed(c, NULL);
	}
}

/* By PostgreSQL's word. */
static void
judge(struct hub_tenant *t, struct hub_client *c, long long floor)
{
	enum hub_reset reason;
	bool was_placed = c->placed;

	if (c->at.epoch[0] && !same_epoch(t, c))
		reason = HUB_EPOCH;
	else if (c->at.epoch[0] && c->at.seq > t->head)
		reason = HUB_AHEAD;
	else if (c->at.epoch[0] && c->at.seq < floor)
		reason = HUB_TOO_OLD;
	else
		return;
	place_at_head(t, c);
	c->placed = true;
	if (was_placed)
		c->ops->reset(c, reason);
	else
		c->ops->placed(c, &reason);
}

static void
checked(struct hub_tenant *t)
{
	t->check = false;
	t->checked_ms = t->hub->now_ms;
	for (struct hub_client *c = t->clients; c; c = c->next_of_tenant) {
		if (!c->wants_check)
			continue;
		c->wants_check = false;
		c->ops->checked(c);
	}
}

/* Everybody has everything, as far as is known. */
static void
settled(struct hub_tenant *t)
{
	t->tries = 0;
	t->from_log = false;
}

static void
learn_head(struct hub_tenant *t, const struct position *p)
{
	memcpy(t->epoch, p->epoch, EPOCH_CAP);
	t->head = p->seq;
	t->known = true;
	if (strcmp(t->seen_epoch, t->epoch) == 0 && t->seen > t->head)
		t->head = t->seen;
}

/* Offers one line of a page; gives its seq, or 0 when it is of another history. */
static long long
offer_text(struct hub_tenant *t, const char *text, size_t len)
{
	struct line l;

	if (!line_read(&l, text, len) || l.epoch_len != strlen(t->epoch) ||
	    memcmp(l.epoch, t->epoch, l.epoch_len) != 0)
		return 0;
	hub_offer(t, &l, text, len);
	return l.seq;
}

static void
on_tail(void *arg, const struct bus_tail *tail)
{
	struct hub_tenant *t = arg;
	struct position head;
	long long answered;

	t->busy = HUB_IDLE;
	t->dirty = true;
	if (!tail && bus_live_away(t->hub->bus)) {
		pause_for(t, HUB_GRACE_MS / TRIES);
		return;
	}
	/* an error is no answer either: it may stay (a key of another type, a right that is missing) */
	if (!tail || !tail->head || !position_read(&head, tail->head, tail->head_len)) {
		in_vain(t);
		return;
	}
	if (t->known && strcmp(t->epoch, head.epoch) != 0) {
		t->doubt = true;
		return;
	}
	if (t->known && head.seq < t->head_when_asked) {
		in_vain(t); /* it forgot something that we had heard */
		return;
	}
	answered = head.seq;
	if (t->known && head.seq < t->head)
		head.seq = t->head; /* a message overtook the answer */
	learn_head(t, &head);
	t->fresh = t->subscribed;
	place(t);
	for (size_t i = 0; i < tail->lines.n; i++) {
		struct bus_value v = bus_value_at(&tail->lines, i);

		if (v.kind == BUS_STRING && line_valid(v.text, v.len))
			offer_text(t, v.text, v.len);
	}
	if (!hub_misses(t))
		t->tries = 0;
	else if (t->head == answered || tail->lines.n)
		in_vain(t); /* a hole */
	if (!t->doubt && !any_behind(t)) {
		settled(t);
		checked(t);
	}
}

/* `EPOCH HEAD FLOOR` */
static bool
read_log_head(const char *s, size_t len, struct position *ret, long long *ret_floor)
{
	char text[EPOCH_CAP + 48], *end;
	char *space;

	if (len >= sizeof(text))
		return false;
	memcpy(text, s, len);
	text[len] = '\0';
	space = strchr(text, ' ');
	if (!space)
		return false;
	*space = '.';
	ret->seq = strtoll(space + 1, &end, 10);
	if (*end != ' ')
		return false;
	*end = '\0';
	*ret_floor = strtoll(end + 1, NULL, 10);
	return position_read(ret, text, strlen(text));
}

static void
take_log(struct hub_tenant *t, const struct position *p, long long floor)
{
	struct position head = *p;
	bool same = t->known && strcmp(t->epoch, head.epoch) == 0;

	/* What was published while PostgreSQL was asked is newer than its answer. */
	if (same && t->head > head.seq && t->head > t->head_when_asked)
		head.seq = t->head;
	learn_head(t, &head);
	/* a message of another epoch that came meanwhile may be newer than the answer */
	t->doubt = t->seen >= 0 && strcmp(t->seen_epoch, t->epoch) != 0;
	t->fresh = t->subscribed || bus_live_away(t->hub->bus);
	for (struct hub_client *c = t->clients; c; c = c->next_of_tenant)
		judge(t, c, floor);
	place(t);
}

/* PostgreSQL's log lacks from..to, though it is said to have them: somebody deleted events. Nobody gets them any more. */
static void
give_up(struct hub_tenant *t, long long from, long long to)
{
	for (struct hub_client *c = t->clients; c; c = c->next_of_tenant) {
		if (!is_behind(t, c) || c->at.seq + 1 < from || c->at.seq + 1 > to)
			continue;
		place_at_head(t, c);
		c->ops->reset(c, HUB_TOO_OLD);
	}
}

/* The lines of a page that begins at seq next, out of a log that ends at head. */
static void
offer_page(struct hub_tenant *t, const char *s, size_t len, long long next,
    long long head)
{
	const char *end = s + len, *lf;
	long n = 0;

	for (; s < end && (lf = memchr(s, '\n', (size_t)(end - s))); s = lf + 1) {
		long long seq = offer_text(t, s, (size_t)(lf - s));

		n++;
		if (seq < next)
			continue;
		give_up(t, next, seq - 1);
		next = seq + 1;
	}
	if (n < LOG_LIMIT)
		give_up(t, next, head);
}

static void
on_log(void *arg, enum ask_result result, const char *text, size_t len)
{
	struct hub_tenant *t = arg;
	const char *end = text + len, *lf = memchr(text, '\n', len);
	struct position head;
	long long floor, after;

	t->busy = HUB_IDLE;
	t->dirty = true;
	if (result != ASK_OK || !lf ||
	    !read_log_head(text, (size_t)(lf - text), &head, &floor)) {
		pause_longer(t);
		checked(t);
		return;
	}
	take_log(t, &head, floor);
	after = t->asked_after > floor ? t->asked_after : floor;
	offer_page(t, lf + 1, (size_t)(end - lf - 1), after + 1, head.seq);
	t->from_log = any_behind(t);
	if (t->from_log && hub_misses(t))
		pause_longer(t);
	else
		t->pause_ms = 0;
	if (!any_behind(t)) {
		settled(t);
		checked(t);
	}
}

static void
ask_log_of(struct hub_tenant *t)
{
	t->busy = HUB_ASK;
	t->seen = -1;
	ask_log(t->hub->ask, &(struct ask_page){t->id, t->asked_after, LOG_LIMIT}, on_log,
	    t);
}

void
hub_fetch(struct hub_tenant *t)
{
	struct hub *h = t->hub;
	bool away = bus_live_away(h->bus);

	if (t->busy != HUB_IDLE)
		return;
	t->dirty = false;
	if (t->fresh && !t->doubt)
		place(t);
	if (!t->doubt && !t->check && !any_behind(t) && !any_unplaced(t)) {
		settled(t);
		return;
	}
	if (!away && !t->subscribed)
		return; /* the acknowledgement wakes us */
	t->head_when_asked = t->known ? t->head : -1;
	t->asked_after = fetch_after(t);
	if (t->doubt || t->from_log || bus_live_none(h->bus)) {
		ask_log_of(t);
		return;
	}
	if (away) {
		if (h->now_ms < h->down_ms + HUB_GRACE_MS)
			pause_for(t, HUB_GRACE_MS / TRIES);
		else
			ask_log_of(t);
		return;
	}
	t->busy = HUB_TAIL;
	if (!bus_live_tail(h->bus, &(struct bus_page){t->id, t->asked_after, TAIL_LIMIT},
		on_tail, t))
		pause_for(t, HUB_GRACE_MS / TRIES);
}

void
hub_forget(struct hub_tenant *t)
{
	bus_live_forget(t->hub->bus, t);
	ask_forget(t->hub->ask, t);
}
