/*
 * relay.c: main of dapur-relay: whatever PostgreSQL's log has and Redis has not, published within a second.
 *
 * A worker may die between COMMIT and PUBLISH, a foreign writer never publishes, Redis may come back empty. The relay
 * compares the heads of all tenants with what it knows to be in Redis, and looks no further while the
 * write-ahead log stands still. It writes by the same script as the actions, which ignores what is there: so several
 * relays, or a relay and a worker, do no harm. A lease in Redis lets one of several work; it doubles as the sign that
 * Redis still has its data. Revoked sessions go the same way (relay_stale.h).
 */
#include "base.h"

#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "bus.h"
#include "bus_keys.h"
#include "conf.h"
#include "db.h"
#include "log.h"
#include "mem.h"
#include "relay_stale.h"

#include "banned.h"

enum {
	PAGE = 200,    /* events read at once */
	RESTORE = 200, /* latest events of a tenant put back when Redis lost everything */
	LEASE_MS = 3000, /* a dead relay's tenure; a successor looks every second */
	SETTLE_US =
	    2000000, /* a commit is visible that long after its record is in the log */
	RECHECK_US =
	    15000000, /* all tenants are compared with Redis anew, whatever is remembered */
	HOUSEKEEP_US = 600000000,
	LSN_CAP = 32,
};

/* What the relay knows of one tenant. */
struct known {
	char *sppg_id;
	char epoch[20];
	long long seq; /* up to here everything is in Redis */
	bool checked;  /* compared with Redis since it last lost data */
};

struct relay {
	const struct conf *conf;
	struct db *db;
	struct bus *bus; /* NULL: there is no Redis; only housekeeping is left */
	bool once;
	bool listening;
	char lease[33];
	struct known *known; /* in byte order of sppg_id */
	size_t n_known;
	char lsn[LSN_CAP];
	bool untell;          /* Redis lost its data: what it was told of sessions, too */
	long long moved_us;   /* when the log last moved */
	long long checked_us; /* when everything was last compared */
	long long housekept_us; /* 0: never */
};

static volatile sig_atomic_t stopping;

static void
on_stop(int sig)
{
	(void)sig;
	stopping = 1;
}

/* --- the lease --- */

static const char lease_script[] =
    "local holder = redis.call('GET', KEYS[1])\n"
    "if holder == ARGV[1] then redis.call('PEXPIRE', KEYS[1], ARGV[2]) return 1 end\n"
    "if not holder then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) return 2 end\n"
    "return 0\n";

enum lease {
	LEASE_OTHER,
	LEASE_MINE,
	LEASE_NEW, /* mine since now: the holder before is gone, or Redis lost its data */
};

static void
on_integer(void *arg, const struct bus_value *v)
{
	if (v && v->kind == BUS_INTEGER)
		*(long long *)arg = v->integer;
}

static int
take_lease(struct relay *r, enum lease *ret, struct err *e)
{
	char ttl[24];
	const struct bus_text argv[] = {BUS_TEXT("EVAL"), bus_text(lease_script),
	    BUS_TEXT("1"), BUS_TEXT(BUS_MARKER_KEY), bus_text(r->lease),
	    bus_number(LEASE_MS, ttl)};
	long long got = LEASE_OTHER;

	if (bus_call(r->bus, argv, N_ELEMENTS(argv), on_integer, &got, e) < 0)
		return -1;
	*ret = (enum lease)got;
	return 0;
}

static const char release_script[] =
    "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end\n"
    "return 0\n";

/* A relay that stops leaves its turn to the next one at once. */
static void
release_lease(struct relay *r)
{
	const struct bus_text argv[] = {BUS_TEXT("EVAL"), bus_text(release_script),
	    BUS_TEXT("1"), BUS_TEXT(BUS_MARKER_KEY), bus_text(r->lease)};
	struct err e;

	err_reset(&e);
	if (r->bus && !r->once &&
	    bus_call(r->bus, argv, N_ELEMENTS(argv), NULL, NULL, &e) < 0)
		log_event(LOG_DEBUG, "release", "detail", e.detail, NULL);
}

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
ask_holds(struct relay *r, const struct head *h, long long from, struct holds *ret,
    struct err *e)
{
	char log_key[BUS_KEY_CAP], head_key[BUS_KEY_CAP], first[24], last[24];
	const struct bus_text argv[] = {BUS_TEXT("EVAL"), bus_text(holds_script),
	    BUS_TEXT("2"), bus_key(log_key, BUS_LOG_KEY, h->sppg_id),
	    bus_key(head_key, BUS_HEAD_KEY, h->sppg_id), bus_text(h->epoch),
	    bus_number(from, first), bus_number(h->seq, last)};

	*ret = (struct holds){-1, 0};
	return bus_call(r->bus, argv, N_ELEMENTS(argv), on_holds, ret, e);
}

/* --- publishing --- */

/* Writes the events from..h->seq to Redis, a page at a time; those from announce_from on are published when they are new
 * there. */
static int
write_events(struct relay *r, const struct head *h, long long from,
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
		db_begin_alone(r->db, &tx);
		rc = db_run(&tx, Q_RELAY_EVENTS, PARAMS(h->sppg_id, first, last, "200"),
		    &rows, e);
		n = rc < 0 ? 0 : db_n_rows(&rows);
		for (size_t i = 0; i < n; i++)
			events[i] = (struct bus_event){db_text(&rows, i, 0),
			    db_number(&rows, i, 1), db_text(&rows, i, 2),
			    db_len(&rows, i, 2)};
		if (rc == 0)
			rc = bus_restore(r->bus,
			    &(struct bus_restore){h->sppg_id, h->epoch,
				n < PAGE ? h->seq : 0, announce_from, events, n},
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
sync_tenant(struct relay *r, const struct head *h, const struct known *was, struct err *e)
{
	bool same = was && strcmp(was->epoch, h->epoch) == 0;
	long long keep =
	    r->conf->history_events < RESTORE ? r->conf->history_events : RESTORE;
	long long after =
	    same && was->checked ? was->seq : larger(h->seq - keep, same ? 0 : h->floor);
	long long from = larger(after, h->floor) + 1, announce_from;
	struct holds holds;

	if (same && was->seq < after)
		from = larger(was->seq, h->floor) +
		    1; /* more is missing than is restored otherwise */
	if (ask_holds(r, h, from, &holds, e) < 0)
		return -1;
	if (holds.head >= h->seq && holds.n >= h->seq - from + 1)
		return 0;
	if (same)
		announce_from = was->seq + 1;
	else if (holds.head < 0)
		announce_from = h->seq + 1; /* all lost, nothing known: feeds fetch it */
	else
		announce_from = holds.n ? from : holds.head + 1;
	if (write_events(r, h, from, announce_from, e) < 0)
		return -1;
	if (from <= h->seq)
		log_event(LOG_INFO, "relayed", "sppg", h->sppg_id, "from", log_num(from),
		    "to", log_num(h->seq), "held", log_num(holds.n), NULL);
	return 0;
}

static int
compare_known(const void *key, const void *item)
{
	return strcmp(key, ((const struct known *)item)->sppg_id);
}

static void
free_known(struct relay *r)
{
	for (size_t i = 0; i < r->n_known; i++)
		free(r->known[i].sppg_id);
	free(r->known);
	r->known = NULL;
	r->n_known = 0;
}

/* Looks at every tenant's head; what is behind in Redis is written. A failure leaves the rest for the next look. */
static int
sync_all(struct relay *r, struct err *e)
{
	struct known *fresh;
	struct db_rows rows;
	struct db_tx tx;
	size_t n = 0;
	int rc;

	db_begin_alone(r->db, &tx);
	if (db_run(&tx, Q_RELAY_HEADS, NO_PARAMS, &rows, e) < 0) {
		db_end(&tx);
		return -1;
	}
	fresh = xcalloc(db_n_rows(&rows), sizeof(*fresh));
	rc = 0;
	for (size_t i = 0; i < db_n_rows(&rows); i++) {
		const struct head h = {db_text(&rows, i, 0), db_text(&rows, i, 1),
		    db_number(&rows, i, 2), db_number(&rows, i, 3)};
		const struct known *was = r->n_known
		    ? bsearch(h.sppg_id, r->known, r->n_known, sizeof(*r->known),
			  compare_known)
		    : NULL;
		bool current = was && was->checked && was->seq == h.seq &&
		    strcmp(was->epoch, h.epoch) == 0;

		if (rc == 0 && !current)
			rc = sync_tenant(r, &h, was, e);
		if (rc < 0 && !was)
			continue;
		fresh[n].sppg_id = xstrdup(h.sppg_id);
		snprintf(fresh[n].epoch, sizeof(fresh[n].epoch), "%s",
		    rc < 0 ? was->epoch : h.epoch);
		fresh[n].seq = rc < 0 ? was->seq : h.seq;
		fresh[n++].checked = rc < 0 ? was->checked : true;
	}
	free_known(r);
	r->known = fresh;
	r->n_known = n;
	db_end(&tx);
	return rc;
}

/* --- one look --- */

static void
doubt_everything(struct relay *r)
{
	for (size_t i = 0; i < r->n_known; i++)
		r->known[i].checked = false;
	r->lsn[0] = '\0';
	r->checked_us = db_now_us();
}

/* True when something may have been written since the last look. */
static int
log_moved(struct relay *r, bool *ret, struct err *e)
{
	long long now_us = db_now_us();
	struct db_rows rows;
	struct db_tx tx;
	int rc;

	db_begin_alone(r->db, &tx);
	rc = db_run(&tx, Q_RELAY_LSN, NO_PARAMS, &rows, e);
	if (rc == 0 && strcmp(db_text(&rows, 0, 0), r->lsn) != 0) {
		snprintf(r->lsn, sizeof(r->lsn), "%s", db_text(&rows, 0, 0));
		r->moved_us = now_us;
	}
	db_end(&tx);
	/* The position is read before the heads; a commit becomes visible a little after its record. */
	*ret = now_us - r->moved_us < SETTLE_US;
	return rc;
}

static int
housekeep(struct relay *r, struct err *e)
{
	char days[24];
	struct db_rows rows;
	struct db_tx tx;
	bool more;
	int rc;

	if (r->housekept_us && db_now_us() - r->housekept_us < HOUSEKEEP_US)
		return 0;
	snprintf(days, sizeof(days), "%ld", r->conf->log_days);
	do {
		db_begin_alone(r->db, &tx);
		rc = db_run(&tx, Q_RELAY_HOUSEKEEP, PARAMS(days), &rows, e);
		more = rc == 0 && db_number(&rows, 0, 0) > 0;
		db_end(&tx);
	} while (more && r->once);
	if (rc == 0 && !more) /* else the next look goes on with it */
		r->housekept_us = db_now_us();
	return rc;
}

static int
listen_wake(struct relay *r, struct err *e)
{
	struct db_rows rows;
	struct db_tx tx;
	int rc;

	if (r->listening && db_fd(r->db) >= 0)
		return 0;
	db_begin_alone(r->db, &tx);
	rc = db_run(&tx, Q_RELAY_LISTEN, NO_PARAMS, &rows, e);
	db_end(&tx);
	r->listening = rc == 0;
	return rc;
}

static int
look(struct relay *r, struct err *e)
{
	enum lease lease = LEASE_NEW;
	bool moved;

	if (!r->bus)
		return housekeep(r, e);
	if (!r->once && take_lease(r, &lease, e) < 0)
		return -1;
	if (lease == LEASE_OTHER) {
		free_known(r);
		return 0;
	}
	if (lease == LEASE_NEW)
		r->untell = true;
	if (lease == LEASE_NEW || db_now_us() - r->checked_us > RECHECK_US)
		doubt_everything(r);
	if (r->untell && relay_stale_again(r->db, e) < 0)
		return -1;
	r->untell = false;
	if (log_moved(r, &moved, e) < 0)
		return -1;
	if (moved && (relay_stale_tell(r->db, r->bus, e) < 0 || sync_all(r, e) < 0)) {
		r->lsn[0] = '\0'; /* look again, whatever the log does */
		return -1;
	}
	return housekeep(r, e);
}

/* Waits for the next look, or for a foreign writer's NOTIFY. */
static void
wait_turn(struct relay *r)
{
	struct pollfd p = {.fd = db_fd(r->db), .events = POLLIN};

	if (poll(&p, 1, (int)r->conf->relay_interval_ms) > 0)
		(void)db_notified(r->db);
}

/* --- the program --- */

static int
run(struct relay *r)
{
	bool failing = false;

	do {
		struct err e;
		int rc;

		err_reset(&e);
		rc = listen_wake(r, &e);
		if (rc == 0)
			rc = look(r, &e);
		if (rc < 0 && !failing)
			log_event(LOG_WARN, "waiting", "detail",
			    e.detail[0] ? e.detail : e.text, NULL);
		if (rc == 0 && failing)
			log_event(LOG_INFO, "working-again", NULL);
		failing = rc < 0;
		if (r->once)
			break;
		if (!stopping)
			wait_turn(r);
	} while (!stopping);
	return failing ? 1 : 0;
}

static struct relay *
relay_open(const struct conf *conf, bool once)
{
	struct relay *r = xcalloc(1, sizeof(*r));
	unsigned char id[16];

	r->conf = conf;
	r->once = once;
	r->db =
	    db_open(&(struct db_options){conf->relay_database[0] ? conf->relay_database
								 : conf->database,
		"dapur-relay", 10 * conf->db_timeout_ms});
	if (strcmp(conf->redis, "none") != 0)
		r->bus = bus_open(&(struct bus_options){
		    .address = conf->redis,
		    .user = conf->redis_user,
		    .password = conf->redis_password,
		    .db = conf->redis_db,
		    .timeout_ms = 1000,
		    .history_events = conf->history_events,
		    .history_s = conf->history_hours * 3600,
		});
	if (getrandom(id, sizeof(id), 0) != sizeof(id))
		abort();
	for (size_t i = 0; i < sizeof(id); i++)
		snprintf(r->lease + 2 * i, 3, "%02x", id[i]);
	return r;
}

static void
relay_close(struct relay *r)
{
	free_known(r);
	db_close(r->db);
	bus_close(r->bus);
	free(r);
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = {
	    {"once", no_argument, NULL, 'o'},
	    {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, 'V'},
	    {0},
	};
	struct sigaction sa = {.sa_handler = on_stop};
	const char *path = NULL;
	bool once = false;
	struct relay *r;
	struct conf conf;
	struct err e;
	int opt, rc;

	while ((opt = getopt_long(argc, argv, "c:hV", longs, NULL)) != -1) {
		switch (opt) {
		case 'c':
			path = optarg;
			break;
		case 'o':
			once = true;
			break;
		case 'V':
			puts("dapur-relay " PACKAGE_VERSION);
			return 0;
		default:
			fputs(
			    "usage: dapur-relay [-c dapur.conf] [--once]\n"
			    "Publishes what the log has and Redis has not; see dapur-relay(8).\n",
			    opt == 'h' ? stdout : stderr);
			return opt == 'h' ? 0 : EXIT_USAGE;
		}
	}
	err_reset(&e);
	if (conf_load(&conf, path, &e) < 0) {
		log_event(LOG_ERROR, "settings", "detail", e.text, NULL);
		return EXIT_USAGE;
	}
	log_open("relay", log_level(conf.log_level));
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	r = relay_open(&conf, once);
	rc = run(r);
	release_lease(r);
	relay_close(r);
	conf_free(&conf);
	return rc;
}
