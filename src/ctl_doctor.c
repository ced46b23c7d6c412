/*
 * ctl_doctor.c: looks at a deployment part by part, and says of each what is wrong and what to do. It uses the settings
 * and log-ins of the programs themselves, changes nothing, and shows no secret.
 */
#include "ctl.h"

#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus.h"
#include "bus_keys.h"

#include "banned.h"

enum finding { FINE, WARNING, ERROR }; /* also the exit status */

#define DOCTOR_TIMEOUT_MS 5000
#define CURL_TIMEOUT_S "8"

struct doctor {
	const struct conf *conf;
	enum finding worst;
};

static void PRINTF(4, 5)
    say(struct doctor *d, enum finding f, const char *part, const char *format, ...)
{
	static const char *const names[] = {"ok", "WARN", "FAIL"};
	va_list ap;

	printf("%-5s %-10s ", names[f], part);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
	if (f > d->worst)
		d->worst = f;
}

/* --- settings --- */

static void
look_at_settings(struct doctor *d, const char *path)
{
	const struct conf *c = d->conf;
	const char *host = strstr(c->public_url, "://") + 3;
	struct stat st;

	if (stat(path, &st) < 0)
		say(d, ERROR, "settings", "%s cannot be looked at: %m", path);
	else if (st.st_mode & S_IRWXO)
		say(d, ERROR, "settings",
		    "everybody can read or change %s: chmod 640, group of the programs",
		    path);
	else if (st.st_mode & S_IWGRP)
		say(d, WARNING, "settings", "the group can change %s: chmod 640", path);
	else
		say(d, FINE, "settings", "%s", path);
	if (!c->secret[0])
		say(d, WARNING, "settings",
		    "secret is empty, so there are no one-time tokens: openssl rand -hex 32");
	if (strstr(c->secret, "CHANGE-ME") || strstr(c->database, "CHANGE-ME"))
		say(d, ERROR, "settings", "CHANGE-ME is still in it: put your own there");
	if (!conf_https(c) && strncmp(host, "127.", 4) != 0 &&
	    strncmp(host, "localhost", 9) != 0)
		say(d, WARNING, "settings",
		    "public_url is not https: passwords and cookies travel in the clear");
}

/* --- PostgreSQL --- */

/* Runs one statement by itself. The caller ends tx. */
static int
ask(struct db *db, struct db_tx *tx, enum query q, struct db_rows *ret, struct err *e)
{
	err_reset(e);
	db_begin_alone(db, tx);
	return db_run(tx, q, NO_PARAMS, ret, e);
}

/* The first line of it. */
static const char *
reason(struct err *e)
{
	char *text = e->detail[0] ? e->detail : e->text;

	text[strcspn(text, "\n")] = '\0';
	return text;
}

static bool
is_true(const struct db_rows *rows, int col)
{
	const char *t = db_text(rows, 0, col);

	return t && t[0] == 't';
}

static void
judge_login(struct doctor *d, const char *setting, const struct db_rows *rows,
    bool needs_app)
{
	const char *name = db_text(rows, 0, 0);

	if (is_true(rows, 1))
		say(d, ERROR, setting,
		    "%s goes round row-level security: take SUPERUSER and BYPASSRLS from it",
		    name);
	if (db_number(rows, 0, 4) > 0)
		say(d, ERROR, setting,
		    "%s owns the tables: use a log-in of its own, not the owner's", name);
	if (needs_app && !is_true(rows, 2))
		say(d, ERROR, setting,
		    "%s is not in the role dapur_app: GRANT dapur_app TO %s", name, name);
	if (!needs_app && !is_true(rows, 3))
		say(d, ERROR, setting,
		    "%s is not in the role dapur_relay: GRANT dapur_relay TO %s", name,
		    name);
}

/* What to look at, by what libpq said. */
static const char *
hint(const char *why)
{
	static const struct {
		const char *says, *look_at;
	} hints[] = {
	    {"certificate", "sslrootcert, sslmode and host in the connection string"},
	    {"no encryption", "sslmode in the connection string, pg_hba.conf"},
	    {"", "is it up? pg_hba.conf, password"},
	};
	size_t i = 0;

	while (!strstr(why, hints[i].says))
		i++;
	return hints[i].look_at;
}

/* One log-in. False when it does not get in. */
static bool
look_at_login(struct doctor *d, const char *setting, struct db *db, bool app, bool relay)
{
	enum finding before = d->worst;
	struct db_rows rows;
	struct db_tx tx;
	struct err e;
	bool in = ask(db, &tx, Q_DOCTOR_LOGIN, &rows, &e) == 0;

	d->worst = FINE;
	if (!in) {
		say(d, ERROR, setting, "PostgreSQL does not let us in: %s (%s)",
		    reason(&e), hint(reason(&e)));
	} else {
		if (app)
			judge_login(d, setting, &rows, true);
		if (relay)
			judge_login(d, setting, &rows, false);
		if (d->worst == FINE)
			say(d, FINE, setting, "as %s", db_text(&rows, 0, 0));
	}
	if (before > d->worst)
		d->worst = before;
	db_end(&tx);
	return in;
}

static void
look_at_schema(struct doctor *d, struct db *db)
{
	struct db_rows rows;
	struct db_tx tx;
	size_t bad = 0;
	struct err e;

	for (enum query q = 0; q < Q_COUNT; q++) {
		const char *file = query_texts[q].file;

		/* the owner's are not for this log-in; our own was prepared */
		if (strstr(file, "doctor.sql") || strstr(file, "admin.sql") ||
		    strstr(file, "migrate.sql"))
			continue;
		err_reset(&e);
		if (db_prepare(db, q, &e) == 0)
			continue;
		if (!bad++)
			say(d, ERROR, "schema", "%s: %s", query_texts[q].name,
			    reason(&e));
	}
	if (bad)
		say(d, ERROR, "schema",
		    "%zu statements of this version do not fit: run dapur migrate", bad);
	else
		say(d, FINE, "schema", "fits this version");
	if (ask(db, &tx, Q_DOCTOR_TABLES, &rows, &e) < 0)
		say(d, ERROR, "tenants", "%s", reason(&e));
	else if (db_number(&rows, 0, 0) == 0)
		say(d, ERROR, "tenants", "there are no tables: run dapur migrate");
	else if (db_text(&rows, 0, 1))
		say(d, ERROR, "tenants", "no row-level security on %s: run dapur migrate",
		    db_text(&rows, 0, 1));
	db_end(&tx);
	if (bad)
		return;
	if (ask(db, &tx, Q_DOCTOR_TENANTS, &rows, &e) < 0)
		say(d, ERROR, "tenants", "%s", reason(&e));
	else if (db_number(&rows, 0, 0) > 0)
		say(d, ERROR, "tenants",
		    "productions are seen without a session: the log-in is not bound by row-level security");
	else
		say(d, FINE, "tenants", "apart: nothing is seen without a session");
	db_end(&tx);
	if (ask(db, &tx, Q_ADMIN_EPOCH, &rows, &e) < 0 || db_n_rows(&rows) != 1)
		say(d, ERROR, "epoch", "there is none: run dapur migrate");
	else
		say(d, FINE, "epoch", "%s (dapur epoch --new after a restore)",
		    db_text(&rows, 0, 0));
	db_end(&tx);
}

static void
look_at_database(struct doctor *d)
{
	const struct conf *c = d->conf;
	bool one = !c->relay_database[0];
	struct db *db =
	    db_open(&(struct db_options){c->database, "dapur-doctor", DOCTOR_TIMEOUT_MS});

	if (look_at_login(d, "database", db, true, one))
		look_at_schema(d, db);
	db_close(db);
	if (one)
		return;
	db = db_open(
	    &(struct db_options){c->relay_database, "dapur-doctor", DOCTOR_TIMEOUT_MS});
	(void)look_at_login(d, "relay", db, false, true);
	db_close(db);
}

/* --- Redis and the relay --- */

static void
on_ttl(void *arg, const struct bus_value *v)
{
	if (v && v->kind == BUS_INTEGER)
		*(long long *)arg = v->integer;
}

static void
look_at_redis(struct doctor *d)
{
	const struct conf *c = d->conf;
	const struct bus_text ttl[] = {BUS_TEXT("PTTL"), BUS_TEXT(BUS_MARKER_KEY)};
	long long ttl_ms = -2;
	struct bus *bus;
	struct err e;

	if (strcmp(c->redis, "none") == 0) {
		say(d, FINE, "redis", "none: feeds read the log in PostgreSQL");
		return;
	}
	bus = bus_open(&(struct bus_options){.address = c->redis,
	    .user = c->redis_user,
	    .password = c->redis_password,
	    .db = c->redis_db,
	    .timeout_ms = DOCTOR_TIMEOUT_MS});
	err_reset(&e);
	if (bus_ping(bus, &e) < 0) {
		say(d, ERROR, "redis",
		    "%s does not answer: %s (redis, redis_user, redis_password; or redis = none)",
		    c->redis, reason(&e));
	} else {
		say(d, FINE, "redis", "%s", c->redis);
		if (bus_call(bus, BUS_COMMAND(ttl, on_ttl, &ttl_ms), &e) < 0 ||
		    ttl_ms <= 0)
			say(d, WARNING, "relay",
			    "no dapur-relay is at work: start it, or run it with --once by cron");
		else
			say(d, FINE, "relay", "at work");
	}
	bus_close(bus);
}

/* --- the web server, by curl: we link no TLS --- */

/* The head of the answer to a request. False when curl is not there. */
static bool
fetch(const char *url, bool upgrade, char *ret, size_t cap)
{
	const char *argv[20] = {"curl", "-sS", "--http1.1", "-m", CURL_TIMEOUT_S, "-o",
	    "/dev/null", "-D", "-", url};
	size_t n = 10, len = 0;
	posix_spawn_file_actions_t fa;
	int fds[2], status;
	ssize_t got;
	pid_t pid;

	if (upgrade) {
		argv[n++] = "-H";
		argv[n++] = "Connection: Upgrade";
		argv[n++] = "-H";
		argv[n++] = "Upgrade: websocket";
		argv[n++] = "-H";
		argv[n++] = "Sec-WebSocket-Version: 13";
		argv[n++] = "-H";
		argv[n++] = "Sec-WebSocket-Key: ZGFwdXItZG9jdG9yLWtleQ==";
	}
	argv[n] = NULL;
	if (pipe(fds) < 0)
		return false;
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, fds[1], STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&fa, STDERR_FILENO, "/dev/null", 1, 0);
	posix_spawn_file_actions_addclose(&fa, fds[0]);
	status =
	    posix_spawnp(&pid, argv[0], &fa, NULL, (char *const *)(void *)argv, environ);
	posix_spawn_file_actions_destroy(&fa);
	close(fds[1]);
	while (status == 0 && len < cap - 1 &&
	    (got = read(fds[0], ret + len, cap - 1 - len)) > 0)
		len += (size_t)got;
	ret[len] = '\0';
	close(fds[0]);
	if (status != 0)
		return false;
	waitpid(pid, &status, 0);
	return !(WIFEXITED(status) && WEXITSTATUS(status) == 127);
}

static int
status_of(const char *head)
{
	const char *space = strncmp(head, "HTTP/", 5) == 0 ? strchr(head, ' ') : NULL;

	return space ? (int)strtol(space, NULL, 10) : 0;
}

static void
look_at_web(struct doctor *d)
{
	const struct conf *c = d->conf;
	char url[512], head[8192];
	int status;

	snprintf(url, sizeof(url), "%s%s/ready", c->public_url, c->base_path);
	if (!fetch(url, false, head, sizeof(head))) {
		say(d, WARNING, "web", "curl is not there: %s was not looked at", url);
		return;
	}
	status = status_of(head);
	if (status != 200) {
		say(d, ERROR, "web", "%s answers %d%s", url, status,
		    status
			? ": the web server does not reach the actions, or they not PostgreSQL"
			: ": nothing; is public_url right, the web server up, its certificate good?");
		return;
	}
	say(d, FINE, "web", "%s", url);
	snprintf(url, sizeof(url), "%s%s/ws", c->public_url, c->base_path);
	if (!fetch(url, true, head, sizeof(head)))
		return;
	status = status_of(head);
	/* a front that knows WebSockets may refuse a stranger itself; the actions would answer with headers of theirs */
	if (status == 101 ||
	    ((status == 401 || status == 403) &&
		!strcasestr(head, "Cross-Origin-Resource-Policy")))
		say(d, FINE, "websocket", "%s", url);
	else
		say(d, WARNING, "websocket",
		    "%s answers %d to an upgrade: no WebSockets here; feeds come by SSE or long poll",
		    url, status);
}

int
ctl_doctor(const struct ctl *c, struct err *e)
{
	struct doctor d = {.worst = FINE};
	const char *path = c->conf_path ? c->conf_path : getenv("DAPUR_CONF");
	struct conf conf;

	if (!path)
		path = SYSCONFDIR "/dapur/dapur.conf";
	if (conf_load(&conf, path, e) < 0) {
		say(&d, ERROR, "settings", "%s", e->text);
		return ERROR;
	}
	d.conf = &conf;
	look_at_settings(&d, path);
	look_at_database(&d);
	look_at_redis(&d);
	look_at_web(&d);
	conf_free(&conf);
	return d.worst;
}
