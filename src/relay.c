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

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "bus.h"
#include "bus_keys.h"
#include "clock.h"
#include "conf.h"
#include "db.h"
#include "log.h"
#include "mem.h"
#include "prog.h"
#include "relay_stale.h"
#include "relay_sync.h"

#include "banned.h"

enum {
	LEASE_MS = 3000, /* a dead relay's tenure; a successor looks every second */
	SETTLE_US =
	    2000000, /* a commit is visible that long after its record is in the log */
	RECHECK_US =
	    15000000, /* all tenants are compared with Redis anew, whatever is remembered */
	HOUSEKEEP_US = 600000000,
	LSN_CAP = 32,
	XID_CAP = 16,
};

struct relay {
	const struct conf *conf;
	struct db *db;
	struct bus *bus; /* NULL: there is no Redis; only housekeeping is left */
	bool once;
	bool listening;
	char lease[33];
	struct relay_sync *sync;
	char lsn[LSN_CAP];
	char since
	    [XID_CAP]; /* no older transaction can still change a head; "": unknown */
	bool untell;   /* Redis lost its data: what it was told of sessions, too */
	long long moved_us;     /* when the log last moved */
	long long checked_us;   /* when everything was last compared */
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

	if (bus_call(r->bus, BUS_COMMAND(argv, on_integer, &got), e) < 0)
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
	if (r->bus && !r->once && bus_call(r->bus, BUS_COMMAND(argv, NULL, NULL), &e) < 0)
		log_event(LOG_DEBUG, "release", "detail", e.detail, NULL);
}

/* --- one look --- */

static void
doubt_everything(struct relay *r)
{
	relay_sync_doubt(r->sync);
	r->lsn[0] = r->since[0] = '\0';
	r->checked_us = clock_us();
}

/* *ret: something may have been written since the last look. ret_oldest: the transactions before it have ended. */
static int
log_moved(struct relay *r, bool *ret, char ret_oldest[XID_CAP], struct err *e)
{
	long long now_us = clock_us();
	struct db_rows rows;
	struct db_tx tx;
	int rc;

	db_begin_alone(r->db, &tx);
	rc = db_run(&tx, Q_RELAY_LSN, NO_PARAMS, &rows, e);
	if (rc == 0 && strcmp(db_text(&rows, 0, 0), r->lsn) != 0) {
		snprintf(r->lsn, sizeof(r->lsn), "%s", db_text(&rows, 0, 0));
		r->moved_us = now_us;
	}
	if (rc == 0)
		snprintf(ret_oldest, XID_CAP, "%s", db_text(&rows, 0, 1));
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

	if (r->housekept_us && clock_us() - r->housekept_us < HOUSEKEEP_US)
		return 0;
	snprintf(days, sizeof(days), "%ld", r->conf->log_days);
	do {
		db_begin_alone(r->db, &tx);
		rc = db_run(&tx, Q_RELAY_HOUSEKEEP, PARAMS(days), &rows, e);
		more = rc == 0 && db_number(&rows, 0, 0) > 0;
		db_end(&tx);
	} while (more && r->once);
	if (rc == 0 && !more) /* else the next look goes on with it */
		r->housekept_us = clock_us();
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
	r->since[0] = '\0'; /* it may be another server */
	return rc;
}

static int
look(struct relay *r, struct err *e)
{
	enum lease lease = LEASE_NEW;
	char oldest[XID_CAP];
	bool moved;

	if (!r->bus)
		return housekeep(r, e);
	if (!r->once && take_lease(r, &lease, e) < 0)
		return -1;
	if (lease == LEASE_OTHER) {
		relay_sync_forget(r->sync);
		return 0;
	}
	if (lease == LEASE_NEW)
		r->untell = true;
	if (lease == LEASE_NEW || clock_us() - r->checked_us > RECHECK_US)
		doubt_everything(r);
	if (r->untell && relay_stale_again(r->db, e) < 0)
		return -1;
	r->untell = false;
	if (log_moved(r, &moved, oldest, e) < 0)
		return -1;
	if (moved &&
	    (relay_stale_tell(r->db, r->bus, e) < 0 ||
		relay_sync_all(r->sync, r->since, e) < 0)) {
		r->lsn[0] = '\0'; /* look again, whatever the log does */
		return -1;
	}
	if (moved)
		memcpy(r->since, oldest, sizeof(oldest));
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
	r->sync = relay_sync_new(r->db, r->bus, conf->history_events);
	if (getrandom(id, sizeof(id), 0) != sizeof(id))
		abort();
	for (size_t i = 0; i < sizeof(id); i++)
		snprintf(r->lease + 2 * i, 3, "%02x", id[i]);
	return r;
}

static void
relay_close(struct relay *r)
{
	relay_sync_free(r->sync);
	db_close(r->db);
	bus_close(r->bus);
	free(r);
}

int
main(int argc, char **argv)
{
	static bool once;
	static const struct prog_option options[] = {{"once", NULL, &once}, {0}};
	static const struct prog prog = {
	    .name = "dapur-relay",
	    .usage =
		"usage: dapur-relay [-c dapur.conf] [--once]\n"
		"Publishes what the log has and Redis has not; see dapur-relay(8).\n",
	    .options = options,
	};
	const char *path = prog_options(&prog, argc, argv);
	struct sigaction sa = {.sa_handler = on_stop};
	struct relay *r;
	struct conf conf;
	int rc;

	prog_settings(&conf, "relay", path);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	r = relay_open(&conf, once);
	rc = run(r);
	release_lease(r);
	relay_close(r);
	conf_free(&conf);
	return rc;
}
